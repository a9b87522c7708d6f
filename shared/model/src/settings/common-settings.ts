import { LOG_LEVELS } from '@vaultplane/platform/logging/log.ts';
import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { VAULT_SETTINGS } from '../vaults/vault-settings.ts';

/** How the members of a cluster know each other. */
const CLUSTER_MTLS = ['shared', 'pki', 'pki_check_cn', 'enrolled'] as const;
export type ClusterMtls = (typeof CLUSTER_MTLS)[number];

/** What a certificate of the other side is checked by, whatever else a control plane asks of a data plane's name. */
export type LinkTrust = Exclude<ClusterMtls, 'pki_check_cn'>;
export const LINK_TRUST: Readonly<Record<ClusterMtls, LinkTrust>> = {
  shared: 'shared',
  pki: 'pki',
  pki_check_cn: 'pki',
  enrolled: 'enrolled',
};

/** What both programs have (specification.md §2). */
export const COMMON_SETTINGS = defineSettings({
  log_level: { type: 'enum', values: LOG_LEVELS, default: 'info', description: 'how much is logged' },
  otel_traces_endpoint: {
    type: 'url',
    description: 'where OpenTelemetry traces are sent (OTLP over HTTP), such as http://127.0.0.1:4318/v1/traces',
  },
  status_ssl_cert: { type: 'pem', description: "status_listen's certificate" },
  status_ssl_cert_key: { type: 'pem', description: "status_listen's private key" },
  cluster_cert: { type: 'pem', description: "the cluster link's certificate" },
  cluster_cert_key: { type: 'pem', description: "the cluster link's private key" },
  cluster_mtls: {
    type: 'enum',
    values: CLUSTER_MTLS,
    // A data plane that has joined, or is to join, is `enrolled`.
    filledInLater: 'shared',
    description:
      "shared: one certificate for all; enrolled: one each, from the control plane's own CA; pki: one each, from another CA; pki_check_cn: as pki, and the control plane checks each data plane's common name",
  },
  cluster_ca_cert: {
    type: 'pem',
    description: 'the CA that signed the certificates of cluster_mtls = pki and pki_check_cn',
  },
  cluster_allowed_common_names: {
    type: 'list',
    description:
      'common names that a peer of cluster_mtls = pki may have; under pki_check_cn those of data planes, and without it all directly below the domain of the control plane',
  },
  cluster_strict_usage: {
    type: 'boolean',
    default: false,
    description:
      "whether a control plane's certificate must be for a server alone and a data plane's for a client alone; on ends the acceptance of certificates of 0.1.0, and of the shared one under cluster_mtls = enrolled",
  },
  ...VAULT_SETTINGS,
  secrets_persist: {
    type: 'boolean',
    default: false,
    description: "whether a data plane's values are kept on disk, encrypted with secrets_key_file",
  },
  secrets_key_file: { type: 'path', description: 'the key (32 bytes) of everything that is kept on disk encrypted' },
  ssl_trusted_certificate: {
    type: 'list',
    default: ['system'],
    aliases: ['lua_ssl_trusted_certificate'],
    description: 'whom to trust for AWS and other vaults: system and/or PEM, each a path, PEM itself, or base64 of PEM',
  },
  upstream_connect_timeout: {
    type: 'number',
    min: 0.05,
    max: 60,
    default: 1,
    description: 'seconds for which a connection to a vault is waited for',
  },
  upstream_timeout: {
    type: 'number',
    min: 0.1,
    max: 300,
    default: 5,
    description: 'seconds for which a whole call to a vault is waited for, credentials and a second try included',
  },
});
