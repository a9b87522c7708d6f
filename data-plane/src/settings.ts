import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterMtls } from '@vaultplane/model/settings/common-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { placeOf } from '@vaultplane/model/settings/fallback-storage.ts';
import { loadSettings } from '@vaultplane/model/settings/load-settings.ts';
import type { PlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import {
  checkVaultSettings,
  VAULT_SETTINGS,
  type VaultSettingKey,
  type VaultSettings,
} from '@vaultplane/model/vaults/vault-settings.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { readSecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import {
  type Address,
  isLoopback,
  parseAddress,
  shownAddress,
  withoutBrackets,
} from '@vaultplane/platform/net/network-address.ts';
import { withTls } from '@vaultplane/platform/settings/listen-setting.ts';
import type { LoadOptions, SettingsOf } from '@vaultplane/platform/settings/settings.ts';
import { shownUrl, shownValue } from '@vaultplane/platform/text/shown-text.ts';
import { filePathOf } from './auth/token.ts';
import { linkProxyOf } from './config-sync/link-proxy.ts';
import { IDENTITY_FILE } from './enrolment/file-names.ts';
import { parsePrefetch } from './prefetch/prefetch-setting.ts';

export type DataPlaneSettings = Omit<SettingsOf<typeof DATA_PLANE_SETTINGS>, 'cluster_mtls'> & {
  cluster_mtls: ClusterMtls;
} & VaultSettings;

/** @throws StartError for what loadSettings refuses, and for settings that do not go together */
export async function loadDataPlaneSettings(options: LoadOptions): Promise<DataPlaneSettings> {
  const loaded = await loadSettings(DATA_PLANE_SETTINGS, options);
  const settings = { ...loaded, cluster_mtls: loaded.cluster_mtls ?? usualMtls(loaded) } as DataPlaneSettings;
  checkTogether(settings);
  const { status_listen, status_ssl_cert: certificate } = settings;
  const isSet = certificate !== undefined;
  return { ...settings, status_listen: withTls('status_listen', status_listen, { setting: 'status_ssl_cert', isSet }) };
}

/** Where cluster_mtls is not set: whoever has joined, or has a token to join with, goes by that. */
function usualMtls(settings: SettingsOf<typeof DATA_PLANE_SETTINGS>): DataPlaneSettings['cluster_mtls'] {
  const joins = settings.cluster_join_token !== undefined || settings.cluster_join_token_file !== undefined;
  const certified = settings.cluster_cert !== undefined;
  return joins || (!certified && existsSync(join(settings.data_dir, IDENTITY_FILE))) ? 'enrolled' : 'shared';
}

function checkTogether(settings: DataPlaneSettings): void {
  if (settings.cluster_join_token !== undefined && settings.cluster_join_token_file !== undefined) {
    throw new StartError('cluster_join_token and cluster_join_token_file are both set; leave one out');
  }
  if (settings.cluster_mtls === 'shared' && settings.cluster_strict_usage) {
    throw new StartError(
      'cluster_strict_usage = on and cluster_mtls = shared do not go together: both sides show the same certificate; use cluster_mtls = enrolled',
    );
  }
  for (const certificate of ['api_ssl_cert', 'status_ssl_cert'] as const) {
    if ((settings[certificate] === undefined) !== (settings[`${certificate}_key`] === undefined)) {
      throw new StartError(`${certificate} and ${certificate}_key go together; only one of them is set`);
    }
  }
  if (!isLoopback(settings.api_listen) && settings.api_ssl_cert === undefined) {
    throw new StartError(
      `api_listen = ${shownAddress(settings.api_listen)} can be reached from other machines; ` +
        'set api_ssl_cert and api_ssl_cert_key, or listen on 127.0.0.1',
    );
  }
  if (settings.secrets_persist && settings.secrets_key_file === undefined) {
    throw new StartError('secrets_persist = on needs secrets_key_file; without a key no value may touch the disk');
  }
  checkVaultSettings(settings);
  parsePrefetch(settings.prefetch ?? []);
  controlPlanesOf(settings);
  linkProxyOf(settings);
  fallbackOf(settings);
}

/** The addresses of cluster_control_plane. */
export function controlPlanesOf(settings: Pick<DataPlaneSettings, 'cluster_control_plane'>): Address[] {
  const addresses = settings.cluster_control_plane.map((text) => {
    const address = parseAddress(text);
    if (!address || address.port === 0) {
      throw new StartError(
        `cluster_control_plane = ${shownValue(text)} is not allowed; each must be HOST:PORT, such as cp-1.internal:8005`,
      );
    }
    return address;
  });
  if (addresses.length === 0)
    throw new StartError('cluster_control_plane names no control plane; it must be HOST:PORT');
  return addresses;
}

/** The labels of cluster_dp_labels. */
export function labelsOf({ cluster_dp_labels: pairs = [] }: Pick<DataPlaneSettings, 'cluster_dp_labels'>) {
  return Object.fromEntries(pairs.map((pair) => pair.split(':') as [string, string]));
}

type FallbackSettings = Pick<
  DataPlaneSettings,
  'config_fallback_url' | 'cluster_fallback_config_import' | 'cluster_fallback_config_storage'
>;

/** Where a snapshot is to work from while no control plane answers; undefined where there is none. @throws StartError */
export function fallbackOf(settings: FallbackSettings): PlaceUrl | undefined {
  return placeOf('config_fallback_url', 'cluster_fallback_config_import', settings);
}

/** For what of the configuration is encrypted on disk; undefined where secrets_key_file is not set. @throws StartError */
export function diskKeyring({ secrets_key_file: file }: DataPlaneSettings, log?: Log): Keyring | undefined {
  return file === undefined ? undefined : new Keyring([readSecretsKey(file, log)]);
}

/** The file with the token of application calls. */
export function apiTokenFile(settings: Pick<DataPlaneSettings, 'api_token_file' | 'data_dir'>): string {
  const { api_token_file: file } = settings;
  return file === undefined ? join(settings.data_dir, 'api-token') : (filePathOf(file) ?? file);
}

const URL_KEYS = (Object.keys(VAULT_SETTINGS) as VaultSettingKey[]).filter(
  (key) => VAULT_SETTINGS[key]!.type === 'url',
);

/**
 * Refuses AWS endpoints that lead to this data plane's own door: it speaks AWS's protocol, and would ask itself.
 *
 * @throws StartError naming the setting or variable
 */
export function refuseOwnEndpoint(settings: DataPlaneSettings, env: NodeJS.ProcessEnv): void {
  const endpoints: Record<string, string | undefined> = {
    ...Object.fromEntries(URL_KEYS.map((key) => [key, settings[key] as string | undefined])),
    AWS_ENDPOINT_URL: env.AWS_ENDPOINT_URL,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: env.AWS_ENDPOINT_URL_SECRETS_MANAGER,
    AWS_ENDPOINT_URL_STS: env.AWS_ENDPOINT_URL_STS,
  };
  for (const [name, text] of Object.entries(endpoints)) {
    if (text !== undefined && leadsTo(settings.api_listen, text)) {
      throw new StartError(
        `${name} = ${shownUrl(text)} leads to this data plane's own api_listen, which would ask itself; ` +
          `set it to the vault's own endpoint, or unset it for this program`,
      );
    }
  }
}

/** Whether a URL leads to an address that a program on this machine listens on. */
export function leadsTo(listening: Address, url: string): boolean {
  const target = URL.parse(url);
  if (!target) return false;
  const host = withoutBrackets(target.hostname);
  const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80));
  return port === listening.port && (host === listening.host || isLoopback({ host, port }));
}
