import { shownName } from '../text/shown-text.ts';

/** An address to listen on or to connect to. */
export interface Address {
  host: string;
  port: number;
}

/** HOST:PORT, an IPv6 host in brackets; undefined where the text is no address. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match && port <= 65535 ? { host: (match[1] ?? match[2])!, port } : undefined;
}

/** The text of an address, as parseAddress reads it. */
export function printAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The text of an address for logs and errors. */
export function shownAddress({ host, port }: Address): string {
  return printAddress({ host: shownName(host), port });
}

/** The host of an Address from that of a URL, which stands in brackets where it is an IPv6 address. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Whether only this machine can reach an address. */
export function isLoopback({ host }: Address): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
