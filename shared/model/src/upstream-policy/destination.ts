import { isIP } from 'node:net';

/** Where a call goes: what decides who can read it. */
export interface Destination {
  protocol: 'http' | 'https';
  /** In small letters; an IPv6 address without brackets, in its shortest form. */
  host: string;
  port: number;
}

/** Destinations that a grant names: one, or with `*.` in front of the host every host below it. */
export interface DestinationPattern extends Destination {
  anyBelow: boolean;
}

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const PATTERN = /^(https?):\/\/(\[[0-9a-f:.]+\]|[^\s:/[\]]+)(?::([1-9]\d{0,4}))?$/i;

/** The port of a scheme where none is written. */
export function defaultPort(protocol: Destination['protocol']): number {
  return protocol === 'https' ? 443 : 80;
}

/**
 * A destination as it is compared. A host in another spelling than its own (an IPv4 address in hexadecimal, a name with a
 * trailing dot) stays as it is written, so that it equals nothing that a grant can name.
 */
export function destinationOf(protocol: string, host: string, port: number | string | undefined): Destination {
  const scheme = protocol.replace(/:$/, '') === 'https' ? 'https' : 'http';
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  const number = port === undefined || port === '' ? defaultPort(scheme) : Number(port);
  return { protocol: scheme, host: isIP(bare) === 6 ? shortestIpv6(bare) : bare, port: number };
}

/** The destination of an http or https URL; undefined for another text. */
export function destinationOfUrl(text: string): Destination | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '') return undefined;
  return destinationOf(url.protocol, url.hostname, url.port);
}

/** The destination as a grant names it. */
export function printDestination({ protocol, host, port }: Destination): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return `${protocol}://${shown}${port === defaultPort(protocol) ? '' : `:${port}`}`;
}

/** @throws Error that says what a destination must be */
export function parseDestinationPattern(text: string): DestinationPattern {
  const [, scheme, written, port] = PATTERN.exec(text) ?? [];
  if (scheme === undefined || written === undefined) {
    throw new Error('must be http:// or https://, a host and perhaps a port, such as https://vault.example.com:8200');
  }
  const anyBelow = written.startsWith('*.');
  const destination = destinationOf(scheme.toLowerCase(), anyBelow ? written.slice(2) : written, port);
  const { host, protocol } = destination;
  if (destination.port > 65_535) throw new Error('has a port above 65535');
  const isAddress = isIP(host) !== 0;
  if (!isAddress && (!HOST_NAME.test(host) || isNumber(host))) {
    throw new Error(
      'must name its host as it is called: letters, digits, - and dots, or an IP address in its usual form',
    );
  }
  if (anyBelow && protocol === 'http') throw new Error('must name one host: *. is for https alone');
  if (anyBelow && (isAddress || !host.includes('.'))) throw new Error('must have two labels or more behind *.');
  return { ...destination, anyBelow };
}

/** Whether a pattern names a destination. Whole labels only: `*.example.com` is neither example.com nor badexample.com. */
export function matches(pattern: DestinationPattern, { protocol, host, port }: Destination): boolean {
  if (pattern.protocol !== protocol || pattern.port !== port) return false;
  if (!pattern.anyBelow) return pattern.host === host;
  return HOST_NAME.test(host) && host.endsWith(`.${pattern.host}`);
}

export function isSame(a: Destination, b: Destination): boolean {
  return a.protocol === b.protocol && a.host === b.host && a.port === b.port;
}

/** What a URL takes for an IPv4 address is none in its usual form: 0x7f.1, 2130706433. */
function isNumber(host: string): boolean {
  return /(^|\.)(0x[0-9a-f]*|\d+)$/.test(host);
}

function shortestIpv6(address: string): string {
  // A zone such as %eth0 is no part of a URL; an address that has one is left as it is.
  return URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
}
