import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { type Address, isLoopback, parseAddress } from './network-address.ts';

/** What only proxies add. Source: RFC 7239, RFC 9110 §7.6.3. */
const OF_PROXIES = ['forwarded', 'x-forwarded-for', 'via'] as const;

/**
 * Why a caller of a loopback address is not taken for a program on this machine; undefined where it is. Without a token
 * whoever reaches the port may do everything, and so must be neither a web page nor anybody behind a proxy. A browser on this
 * machine reaches it for any page: by a name that the page's owner points to 127.0.0.1 (seen in Host), or by a request sent
 * across (seen in Origin and Sec-Fetch-Site).
 *
 * @param protocol that the server speaks
 * @returns a sentence without its full stop
 */
export function foreignCaller(headers: IncomingHttpHeaders, protocol: 'http' | 'https'): string | undefined {
  const { host } = headers;
  if (host === undefined || !isLoopbackHost(host)) {
    return 'Without a token only localhost, 127.0.0.1 and [::1] are answered as Host';
  }
  if (OF_PROXIES.some((name) => headers[name] !== undefined))
    return 'Without a token nothing is answered through a proxy';
  return isForeignPage(headers, protocol) ? 'Without a token no pages from elsewhere are answered' : undefined;
}

/**
 * Why a request for the status is answered 403: it is a browser's for a page from elsewhere, which would read what this
 * program says of itself. Monitoring sends no such headers, and may come through a proxy. Undefined: it is answered.
 *
 * @param listen the address that it came to; only of a loopback address the name that it is called by is known
 */
export function foreignReader(headers: IncomingHttpHeaders, listen: Address & { ssl?: boolean }): string | undefined {
  const { host } = headers;
  if (host !== undefined && isLoopback(listen) && !isLoopbackHost(host)) {
    return 'only localhost, 127.0.0.1 and [::1] are answered as Host on a loopback address';
  }
  return isForeignPage(headers, listen.ssl ? 'https' : 'http') ? 'no pages from elsewhere are answered' : undefined;
}

/**
 * Why somebody who would change something over a port without tokens, wherever that listens, is not taken for a program on this
 * machine; undefined where it is. Its name for the machine must be an address or localhost: a page's owner has any other.
 */
export function foreignChanger({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string | undefined {
  const { remoteAddress = '' } = socket;
  if (!isLoopback({ host: remoteAddress.replace(/^::ffff:/i, ''), port: 0 })) {
    return 'only programs on this machine may change anything here';
  }
  const { host = '' } = headers;
  const { host: name = host } = parseAddress(host) ?? {};
  if (isIP(name) === 0 && !isLoopbackHost(host)) return 'only an address or localhost is answered as Host';
  if (OF_PROXIES.some((header) => headers[header] !== undefined)) return 'nothing is changed through a proxy';
  return isForeignPage(headers, 'encrypted' in socket ? 'https' : 'http')
    ? 'no pages from elsewhere are answered'
    : undefined;
}

/** Whether a browser sends this for a page that is not from where the request goes. */
export function isForeignPage(headers: IncomingHttpHeaders, protocol: 'http' | 'https'): boolean {
  const { host = '', origin, 'sec-fetch-site': site } = headers;
  // A sandboxed page's is `null`; a page on another port of this machine is another's too.
  if (origin !== undefined && origin.toLowerCase() !== `${protocol}://${host.toLowerCase()}`) return true;
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

export function isLoopbackHost(host: string): boolean {
  const bare = host.toLowerCase();
  const address = parseAddress(bare) ?? parseAddress(`${bare}:80`);
  return address !== undefined && isLoopback(address);
}
