import type { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { SettingsOf } from '@vaultplane/platform/settings/settings.ts';

/** The HTTP proxy that the link to the control plane goes through, by CONNECT. */
export interface LinkProxy {
  /** http or https. Its user and password are secret. */
  url: URL;
  /** Whether an https proxy's certificate is checked. */
  verify: boolean;
  /** Whom an https proxy may be issued by, in the form of ssl_trusted_certificate. */
  trusted: readonly string[];
}

type ProxySettings = Pick<
  SettingsOf<typeof DATA_PLANE_SETTINGS>,
  'cluster_use_proxy' | 'proxy_server' | 'proxy_server_ssl_verify' | 'ssl_trusted_certificate'
>;

/**
 * The proxy of proxy_server; undefined where there is none, and where cluster_use_proxy is off. Unlike Kong's, an unset
 * cluster_use_proxy is on wherever proxy_server is set, and an https proxy is checked unless proxy_server_ssl_verify is off.
 *
 * @throws StartError that does not show proxy_server
 */
export function linkProxyOf(settings: ProxySettings): LinkProxy | undefined {
  const { cluster_use_proxy: use, proxy_server: text, proxy_server_ssl_verify: verify } = settings;
  if (text === undefined) {
    if (use)
      throw new StartError('cluster_use_proxy = on needs proxy_server; set it to http://[USER:PASSWORD@]HOST[:PORT]');
    return undefined;
  }
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '' || url.search !== '' || url.hash !== '') {
    throw new StartError(
      'proxy_server (not shown) is not allowed; it must be http://[USER:PASSWORD@]HOST[:PORT], or the same with https://',
    );
  }
  return use === false ? undefined : { url, verify, trusted: settings.ssl_trusted_certificate };
}
