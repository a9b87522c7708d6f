import { isIP, type Socket } from 'node:net';
import { lookup } from '@vaultplane/platform/names/lookup.ts';
import { type Address, printAddress, withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import { http, https } from '@vaultplane/platform/node-modules.ts';

export interface TunnelOptions {
  signal: AbortSignal;
  /** PEM: whom a proxy that is spoken to by TLS may be; without it whom Node.js trusts. */
  ca?: string[] | undefined;
  /** Whether the certificate of such a proxy is checked; it is where this is not set. */
  verify?: boolean | undefined;
}

/**
 * A connection to an address through an HTTP proxy, by CONNECT.
 *
 * @param proxy http or https, with the user and password that it may want
 * @throws Error in a few words that hold nothing secret, such as `it answered 502`; Error of the connection to the proxy
 */
export async function openTunnel(address: Address, proxy: URL, options: TunnelOptions): Promise<Socket> {
  const { signal, ca, verify = true } = options;
  const target = printAddress(address);
  const isSecure = proxy.protocol === 'https:';
  const host = withoutBrackets(proxy.hostname);
  const authorization = proxyAuthorization(proxy);
  const request = (isSecure ? https : http).request({
    method: 'CONNECT',
    host,
    port: proxy.port || (isSecure ? 443 : 80),
    path: target,
    agent: false,
    lookup,
    signal,
    ...(ca && { ca }),
    // Node.js would take it from the host header, which names the destination and not the proxy.
    ...(isSecure && { servername: isIP(host) ? '' : host, rejectUnauthorized: verify }),
    headers: { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
  });
  return new Promise<Socket>((resolve, reject) => {
    request.once('connect', (response, socket, head) => {
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket as Socket);
        return;
      }
      socket.destroy();
      reject(
        new Error(response.statusCode === 407 ? 'it wants other credentials' : `it answered ${response.statusCode}`),
      );
    });
    request.once('response', (response) => {
      response.destroy();
      reject(new Error(`it answered ${response.statusCode}`));
    });
    request.once('error', (error) => reject(signal.aborted ? new Error('timed out') : error));
    request.end();
  });
}

/** What a proxy is shown; undefined where its URL has no user. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}
