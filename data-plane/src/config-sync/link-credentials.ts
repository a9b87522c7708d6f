import type { LinkTrust } from '@vaultplane/model/settings/common-settings.ts';
import type { DataPlaneSettings } from '../settings.ts';

/** How this data plane shows who it is, and whom it takes for its control plane (specification.md §2, cluster_mtls). */
export interface LinkCredentials {
  certificate: string;
  key: string;
  /**
   * `shared`: the peer must show the very same certificate. `pki`: one signed by `ca`, for the right name. `enrolled`: one
   * signed by `ca`, the cluster's own, which is for a server alone.
   */
  mtls: LinkTrust;
  ca?: string;
  /** `enrolled`: who this node is. */
  nodeId?: string;
  /** `pki`: the control plane's certificate must be for a server alone. */
  strictUsage?: boolean;
  allowedCommonNames?: readonly string[];
  /** The name to check instead of the address's host. */
  serverName?: string;
}

export type LinkSettings = Pick<
  DataPlaneSettings,
  | 'cluster_cert'
  | 'cluster_cert_key'
  | 'cluster_mtls'
  | 'cluster_ca_cert'
  | 'cluster_allowed_common_names'
  | 'cluster_server_name'
  | 'data_dir'
> &
  Partial<Pick<DataPlaneSettings, 'cluster_strict_usage'>>;
