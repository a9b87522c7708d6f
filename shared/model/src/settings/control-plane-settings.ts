import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { COMMON_SETTINGS } from './common-settings.ts';
import { FALLBACK_STORAGE } from './fallback-storage.ts';
import { PLACE_URL_FORMS } from './place-url.ts';

/** Every setting of the control plane (specification.md §2). */
export const CONTROL_PLANE_SETTINGS = defineSettings({
  ...COMMON_SETTINGS,
  data_dir: {
    type: 'path',
    default: './data/cp',
    description: 'where this control plane keeps its files; made 0700, and refused where another user may write in it',
  },
  status_listen: { type: 'listens', mayBeOff: true, default: '127.0.0.1:8107', description: '/status and /metrics' },
  database: {
    type: 'enum',
    values: ['embedded', 'postgres'],
    default: 'embedded',
    description: 'PGlite in data_dir, or a Postgres server',
  },
  pg_host: { type: 'string', default: '127.0.0.1', description: "the Postgres server, or its socket's directory" },
  pg_port: { type: 'integer', min: 1, max: 65_535, default: 5432, description: "the Postgres server's port" },
  pg_user: { type: 'string', default: 'vaultplane', description: 'the role to log in as' },
  pg_password: { type: 'string', secret: true, description: "the role's password" },
  pg_database: { type: 'string', default: 'vaultplane', description: 'the database' },
  pg_ssl: { type: 'boolean', default: false, description: 'whether the server is spoken to over TLS' },
  pg_ssl_verify: { type: 'boolean', default: true, description: "whether the server's certificate is checked" },
  pg_ssl_ca: { type: 'pem', description: "the CA of the server's certificate" },
  admin_listen: { type: 'listens', mayBeOff: true, default: '127.0.0.1:8001', description: 'the Admin API' },
  admin_token: {
    type: 'string',
    secret: true,
    description: 'the first admin token; auto: made at the first start, in data_dir/admin-token',
  },
  admin_ssl_cert: { type: 'pem', description: "admin_listen's certificate" },
  admin_ssl_cert_key: { type: 'pem', description: "admin_listen's private key" },
  manager_path: {
    type: 'string',
    default: '/manager',
    description: 'where on admin_listen the web page for operators is; off: nowhere',
  },
  cluster_listen: {
    type: 'listens',
    mayBeOff: false,
    default: '0.0.0.0:8005',
    description: 'where data planes connect, always over TLS 1.3',
  },
  cluster_certificate_ttl: {
    type: 'integer',
    min: 10,
    max: 315_360_000,
    default: 7_776_000,
    description:
      "seconds for which a data plane's certificate of cluster_mtls = enrolled is good; it is renewed after a third",
  },
  cluster_renewal_grace: {
    type: 'integer',
    min: 0,
    max: 315_360_000,
    default: 2_592_000,
    description: 'seconds for which a certificate of cluster_mtls = enrolled that has ended may still be renewed',
  },
  cluster_data_plane_purge_delay: {
    type: 'integer',
    min: 60,
    max: 3_153_600_000,
    default: 1_209_600,
    description: 'seconds after which a data plane that nobody has seen is deleted from the list of data planes',
  },
  keyring_key_file: {
    type: 'path',
    description: 'keys of 32 bytes, under which sensitive members of vaults are encrypted in the database',
  },
  config_versions_kept: {
    type: 'integer',
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: 'versions of the configuration that can be looked at and gone back to',
  },
  audit_log_record_ttl: {
    type: 'integer',
    min: 0,
    max: 3_153_600_000,
    default: 2_592_000,
    description: 'seconds for which the audit log keeps an entry; 0: for ever',
  },
  // Secret, since the query of an https URL may hold a signature.
  config_export_url: {
    type: 'string',
    secret: true,
    description: `where a signed snapshot is kept for data planes: ${PLACE_URL_FORMS}`,
  },
  cluster_fallback_config_export: {
    type: 'boolean',
    default: false,
    description: 'whether cluster_fallback_config_storage is exported to, as config_export_url is',
  },
  cluster_fallback_config_storage: FALLBACK_STORAGE,
  cluster_fallback_config_export_delay: {
    type: 'number',
    min: 0,
    max: 86_400,
    default: 0,
    description: 'seconds between two exports of the configuration at least',
  },
  config_export_key_file: {
    type: 'pem',
    description:
      'the export key (a private key, Ed25519 or P-384, PEM), the same for every control plane; without it one is made and kept in the database under keyring_key_file, or, embedded, in data_dir',
  },
});
