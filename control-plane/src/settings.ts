import { type ClusterMtls, LINK_TRUST } from '@vaultplane/model/settings/common-settings.ts';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { placeOf } from '@vaultplane/model/settings/fallback-storage.ts';
import { loadSettings } from '@vaultplane/model/settings/load-settings.ts';
import type { PlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { checkVaultSettings, type VaultSettings } from '@vaultplane/model/vaults/vault-settings.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { withTls } from '@vaultplane/platform/settings/listen-setting.ts';
import type { LoadOptions, SettingsOf } from '@vaultplane/platform/settings/settings.ts';
import { shownValue } from '@vaultplane/platform/text/shown-text.ts';

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

type ExportSettings = Pick<
  ControlPlaneSettings,
  'config_export_url' | 'cluster_fallback_config_export' | 'cluster_fallback_config_storage'
>;

/** Where the configuration is exported to; undefined where it is not. @throws StartError */
export function exportOf(settings: ExportSettings): PlaceUrl | undefined {
  return placeOf('config_export_url', 'cluster_fallback_config_export', settings);
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
