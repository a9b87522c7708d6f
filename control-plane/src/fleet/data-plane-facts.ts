import type { ReportMessage } from '@vaultplane/model/protocol/protocol.ts';

/** `normal`: works with what it was sent. `unknown`: has not said yet. `rejected`: could not apply what it was sent. */
export type SyncStatus = 'unknown' | 'normal' | 'rejected';

/** A data plane, as GET /clustering/data-planes shows it: Kong's members first, then ours. */
export interface DataPlane {
  id: string;
  hostname: string;
  ip: string | null;
  /** The program's. */
  version: string;
  config_hash: string | null;
  sync_status: SyncStatus;
  /** Seconds since 1970. */
  last_seen: number;
  config_version: number | null;
  config_timeline: string | null;
  connected: boolean;
  connected_at: number;
  control_plane_id: string;
  protocol: number;
  /** Seconds since 1970. */
  cert_expires_at: number | null;
  references: ReportMessage['references'] | null;
  /** The same counts by vault. */
  vaults: NonNullable<ReportMessage['vaults']>;
  rejected_vaults: ReportMessage['rejected_vaults'];
  labels: Record<string, string>;
}
