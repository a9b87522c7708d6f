import { StartError } from '@vaultplane/shared/errors.ts';
import { withTls } from '@vaultplane/shared/listen-setting.ts';
import { PLACE_URL_FORMS, type PlaceUrl, parsePlaceUrl } from '@vaultplane/shared/places/place-url.ts';
import {
  type ClusterMtls,
  COMMON_SETTINGS,
  defineSettings,
  LINK_TRUST,
  type LoadOptions,
  loadSettings,
  type SettingsOf,
} from '@vaultplane/shared/settings.ts';
import { shownValue } from '@vaultplane/shared/shown-text.ts';
import { checkVaultSettings, type VaultSettings } from '@vaultplane/shared/vaults/vault-settings.ts';

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
  config_export_key_file: {
    type: 'pem',
    description:
      'the export key (a private key, Ed25519 or P-384, PEM), the same for every control plane; without it one is made and kept in the database under keyring_key_file, or, embedded, in data_dir',
  },
});

export type ControlPlaneSettings = Omit<SettingsOf<typeof CONTROL_PLANE_SETTINGS>, 'cluster_mtls'> & {
  cluster_mtls: ClusterMtls;
} & VaultSettings;

/**
 * The control plane's settings.
 *
 * @throws StartError naming the setting that is wrong, alone or beside another
 */
export async function loadControlPlaneSettings(options: LoadOptions): Promise<ControlPlaneSettings> {
  const loaded = await loadSettings(CONTROL_PLANE_SETTINGS, options);
  const settings = { ...loaded, cluster_mtls: loaded.cluster_mtls ?? 'shared' } as ControlPlaneSettings;
  checkTogether(settings);
  return { ...settings, ...listensOf(settings) };
}

/** The place of config_export_url; undefined where it is not set. @throws StartError */
export function exportOf(settings: Pick<ControlPlaneSettings, 'config_export_url'>): PlaceUrl | undefined {
  if (settings.config_export_url === undefined) return undefined;
  const url = parsePlaceUrl(settings.config_export_url);
  if (!url) throw new StartError(`config_export_url (not shown) is not allowed; it must be ${PLACE_URL_FORMS}`);
  return url;
}

/** The path of the manager's page, without a slash at its end; undefined where it is off. @throws StartError */
export function managerPathOf({ manager_path: path }: Pick<ControlPlaneSettings, 'manager_path'>): string | undefined {
  if (path === 'off') return undefined;
  // The API's own first segments stay the API's: what is served there would hide it.
  if (!/^(\/[a-z0-9_-]+)+$/.test(path) || API_SEGMENTS.includes(path.split('/')[1]!)) {
    throw new StartError(
      `manager_path = ${shownValue(path)} is not allowed; it must be a path such as /manager that is no part of the Admin API, or off`,
    );
  }
  return path;
}

const API_SEGMENTS: readonly string[] = [
  ...['vaults', 'schemas', 'tags', 'status', 'config', 'clustering', 'nodes', 'audit', 'tokens', 'whoami', 'debug'],
];

/** Which addresses speak TLS. @throws StartError */
function listensOf({ admin_listen, admin_ssl_cert, status_listen, status_ssl_cert }: ControlPlaneSettings) {
  const of = (setting: string, certificate: string | undefined) => ({ setting, isSet: certificate !== undefined });
  return {
    admin_listen: withTls('admin_listen', admin_listen, of('admin_ssl_cert', admin_ssl_cert)),
    status_listen: withTls('status_listen', status_listen, of('status_ssl_cert', status_ssl_cert)),
  };
}

function checkTogether(settings: ControlPlaneSettings): void {
  checkVaultSettings(settings);
  exportOf(settings);
  managerPathOf(settings);
  for (const [certificate, key] of [
    ['admin_ssl_cert', 'admin_ssl_cert_key'],
    ['status_ssl_cert', 'status_ssl_cert_key'],
    ['cluster_cert', 'cluster_cert_key'],
  ] as const) {
    if ((settings[certificate] === undefined) !== (settings[key] === undefined)) {
      throw new StartError(`${certificate} and ${key} must be set together`);
    }
  }
  if (settings.cluster_mtls === 'enrolled' && settings.database === 'postgres' && !settings.keyring_key_file) {
    throw new StartError(
      "cluster_mtls = enrolled needs keyring_key_file, under which the CA's key is encrypted in the database; `openssl rand -base64 32` makes one, for all control planes on it",
    );
  }
  if (settings.cluster_mtls === 'shared' && settings.cluster_strict_usage) {
    throw new StartError(
      'cluster_strict_usage = on and cluster_mtls = shared do not go together: both sides show the same certificate; use cluster_mtls = enrolled',
    );
  }
  if (LINK_TRUST[settings.cluster_mtls] === 'pki') {
    for (const key of ['cluster_ca_cert', 'cluster_cert'] as const) {
      if (settings[key] === undefined) {
        throw new StartError(
          `cluster_mtls = ${settings.cluster_mtls} needs ${key}; \`vaultplane-cp certs create --node NAME\` makes the files`,
        );
      }
    }
  }
}
