import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { COMMON_SETTINGS } from './common-settings.ts';
import { FALLBACK_STORAGE } from './fallback-storage.ts';
import { PLACE_URL_FORMS } from './place-url.ts';

/** Every setting of the data plane (specification.md §2). */
export const DATA_PLANE_SETTINGS = defineSettings({
  ...COMMON_SETTINGS,
  data_dir: {
    type: 'path',
    default: './data/dp',
    description: 'where this data plane keeps its files; made 0700, and refused where another user may write in it',
  },
  status_listen: { type: 'listens', mayBeOff: true, default: '127.0.0.1:8007', description: '/status and /metrics' },
  cluster_control_plane: {
    type: 'list',
    default: ['127.0.0.1:8005'],
    description: 'control planes, HOST:PORT, tried in order from a random one',
  },
  // Kong's name for it, and its form.
  cluster_dp_labels: {
    type: 'list',
    match: /^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/,
    allowed: 'KEY:VALUE, each of 1 to 63 letters, digits, - _ and ., such as zone:eu-west-1a',
    description: 'what the fleet is told of this data plane, KEY:VALUE, …: shown and searched in the manager',
  },
  cluster_join_token: {
    type: 'string',
    secret: true,
    description: 'a token of `vaultplane-cp node invite`, by which a data plane that has no certificate yet joins',
  },
  cluster_join_token_file: { type: 'path', description: 'the file of cluster_join_token' },
  cluster_server_name: { type: 'string', description: "the TLS name that the control plane's certificate must have" },
  // Not of type url: a proxy's URL may carry a user and a password.
  proxy_server: {
    type: 'string',
    secret: true,
    description:
      'an HTTP proxy to reach the control plane through: http://[USER:PASSWORD@]HOST[:PORT], or https://; used unless cluster_use_proxy is off',
  },
  // On in Kong only where it is set; here proxy_server was used before there was this.
  cluster_use_proxy: {
    type: 'boolean',
    description:
      'whether the link to the control plane goes through proxy_server; it does where this is not set (in Kong only where it is on)',
  },
  proxy_server_ssl_verify: {
    type: 'boolean',
    default: true,
    description:
      "whether an https proxy_server's certificate is checked, by ssl_trusted_certificate and its name (Kong's default is off)",
  },
  api_listen: { type: 'listen', default: '127.0.0.1:2773', description: 'where applications ask' },
  api_ssl_cert: { type: 'pem', description: "api_listen's certificate" },
  api_ssl_cert_key: { type: 'pem', description: "api_listen's private key" },
  api_unix_socket: { type: 'path', description: 'a Unix socket to answer on too; mode 0660' },
  api_token_file: { type: 'path', description: 'the token of application calls; data_dir/api-token where not set' },
  api_policies: {
    type: 'path',
    description: 'a file (JSON) of further tokens, each with the references that it may have',
  },
  upstream_policy: {
    type: 'path',
    description:
      "a file (JSON) that grants what of this node's own may go to destinations that the control plane's vaults name",
  },
  metrics_secret_names: {
    type: 'boolean',
    default: false,
    description: "whether /metrics tells of each secret by name; else names are in nobody's monitoring",
  },
  cache_max_entries: { type: 'integer', min: 1, default: 10_000, description: 'secrets held at most' },
  cache_max_bytes: { type: 'integer', min: 1024, default: 64 * 1024 * 1024, description: 'bytes held at most' },
  prefetch: {
    type: 'list',
    ofReferences: true,
    description: 'references, tag:KEY or tag:KEY=VALUE[@PREFIX], to fetch in the background from the start on',
  },
  // Secret, since the query of an https URL may hold a signature.
  config_fallback_url: {
    type: 'string',
    secret: true,
    description: `a signed snapshot to work from while no control plane answers: ${PLACE_URL_FORMS}`,
  },
  cluster_fallback_config_import: {
    type: 'boolean',
    default: false,
    description: 'whether cluster_fallback_config_storage is worked from, as config_fallback_url is',
  },
  cluster_fallback_config_storage: FALLBACK_STORAGE,
  config_export_public_key: {
    type: 'string',
    description:
      'the public half of the export key (PEM, base64 or a path; `vaultplane-cp export-key` prints it): exports signed by another key, and under cluster_mtls = shared control planes without that key, are refused',
  },
});
