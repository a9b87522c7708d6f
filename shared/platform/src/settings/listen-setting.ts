import { StartError } from '../errors.ts';
import type { Log } from '../logging/log.ts';
import { type Address, isLoopback, parseAddress, printAddress, shownAddress } from '../net/network-address.ts';
import { shownName } from '../text/shown-text.ts';
import { nearest } from './nearest.ts';

/** One address of a setting such as admin_listen, with what Kong's flags say of it. */
export interface Listen extends Address {
  /** Whether TLS is spoken there. */
  ssl: boolean;
  /** Connections that wait to be taken; the system's default where not set. */
  backlog?: number;
  ipv6Only?: boolean;
  /** TCP keepalive: milliseconds without data before the first probe; 0: the system's. Undefined: none. */
  keepAliveMs?: number;
  /** Flags of Kong that are accepted and change nothing here. */
  withoutEffect?: string[];
}

/** What such a setting takes, for errors. Source: Kong's `admin_listen`. */
export const LISTEN_FORMS =
  'HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001, several by comma, each with any of the flags ssl, http2, reuseport, deferred, bind, backlog=N, ipv6only=on|off and so_keepalive=on|off|IDLE:INTERVAL:COUNT';

/** Flags that are nginx's own affair, or a matter of speed: nobody sees that they are missing. */
const WITHOUT_EFFECT = ['http2', 'reuseport', 'deferred'];
const FLAGS = ['ssl', 'bind', ...WITHOUT_EFFECT, 'backlog=', 'ipv6only=', 'so_keepalive='];
/** Units of nginx's times, in milliseconds; seconds where there is none. */
const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Addresses in Kong's form; none for `off`.
 *
 * @returns a string that says what is wrong where it is not of that form
 */
export function parseListens(text: string): Listen[] | string {
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length === 1 && entries[0] === 'off') return [];
  const listens: Listen[] = [];
  for (const entry of entries) {
    const listen = parseListen(entry);
    if (typeof listen === 'string') return listen;
    const same = listens.some((other) => printAddress(other) === printAddress(listen) && listen.port !== 0);
    if (same) return `${shownAddress(listen)} is named twice`;
    listens.push(listen);
  }
  return listens.map((listen) => withIpv6Only(listen, listens));
}

/** nginx keeps IPv4 away from `[::]`; here it comes along, but where the same port is listened on over IPv4 too. */
function withIpv6Only(listen: Listen, all: readonly Listen[]): Listen {
  const taken = all.some(({ host, port }) => !host.includes(':') && port === listen.port && port !== 0);
  return listen.host === '::' && listen.ipv6Only === undefined && taken ? { ...listen, ipv6Only: true } : listen;
}

function parseListen(entry: string): Listen | string {
  const [address = '', ...flags] = entry.split(/\s+/);
  const parsed = address === 'off' ? 'off stands alone' : (parseAddress(address.replace(/^\*(?=:)/, '0.0.0.0')) ?? '');
  if (typeof parsed === 'string') return parsed;
  const listen: Listen = { ...parsed, ssl: false };
  for (const flag of flags) {
    const problem = applyFlag(listen, flag);
    if (problem !== undefined) return problem;
  }
  return listen;
}

/** @returns what is wrong with the flag */
function applyFlag(listen: Listen, flag: string): string | undefined {
  const [name, value] = flag.split(/=(.*)/s) as [string, string?];
  const ignore = (what: string) => {
    listen.withoutEffect = [...(listen.withoutEffect ?? []), what];
  };
  if (value === undefined) {
    if (name === 'ssl') listen.ssl = true;
    else if (WITHOUT_EFFECT.includes(name)) ignore(name);
    // nginx binds each address by itself then, which is what happens here.
    else if (name !== 'bind') return unknownFlag(name);
    return undefined;
  }
  if (name === 'backlog' && /^[1-9]\d{0,8}$/.test(value)) listen.backlog = Number(value);
  else if (name === 'ipv6only' && /^(on|off)$/.test(value)) listen.ipv6Only = value === 'on';
  else if (name === 'so_keepalive') return applyKeepAlive(listen, value, ignore);
  else if (name === 'backlog' || name === 'ipv6only') return `${name} has another form`;
  else return unknownFlag(`${name}=`);
  return undefined;
}

/** `on`, `off`, or `[IDLE]:[INTERVAL]:[COUNT]`; Node.js sets only the first of the three. */
function applyKeepAlive(listen: Listen, value: string, ignore: (what: string) => void): string | undefined {
  if (value === 'off') return undefined;
  const [, idle, interval, count] = /^(?:on|(\w*):(\w*):(\d*))$/.exec(value) ?? [undefined, '?'];
  const [, number, unit = 's'] = idle ? (/^(\d{1,7})(ms|s|m|h|d)?$/.exec(idle) ?? []) : [undefined, '0'];
  if (number === undefined) return 'so_keepalive has another form';
  listen.keepAliveMs = Number(number) * UNITS[unit]!;
  if (interval || count) ignore('the interval and count of so_keepalive');
  return undefined;
}

function unknownFlag(name: string): string {
  // Whoever sends it begins each connection with a line that no HTTP server reads past.
  if (name === 'proxy_protocol') return 'the flag proxy_protocol is not supported';
  return `${shownName(name)} is no flag of it${nearest(name, FLAGS)}`;
}

/**
 * Which addresses speak TLS: those with the flag `ssl` or, where none has it and there is a certificate, all.
 *
 * @param certificate the setting that has the certificate, and whether it is set
 * @throws StartError where TLS is asked for and there is none
 */
export function withTls(
  setting: string,
  listens: readonly Listen[],
  certificate: { setting: string; isSet: boolean },
): Listen[] {
  const flagged = listens.find(({ ssl }) => ssl);
  if (flagged && !certificate.isSet) {
    throw new StartError(
      `${setting} = ${shownAddress(flagged)} ssl needs ${certificate.setting} and ${certificate.setting}_key`,
    );
  }
  return listens.map((listen) => (certificate.isSet && !flagged ? { ...listen, ssl: true } : listen));
}

/** Whether only this machine can reach any of them. */
export function areLoopback(listens: readonly Address[]): boolean {
  return listens.every(isLoopback);
}

/** For logs and errors. */
export function shownListens(listens: readonly Address[]): string {
  return listens.length === 0 ? 'off' : listens.map(shownAddress).join(', ');
}

/** Kong's own form, for `GET /`. */
export function printListen({ ssl, ...address }: Address & { ssl?: boolean }): string {
  return `${printAddress(address)}${ssl ? ' ssl' : ''}`;
}

/** Where a program on this machine reaches an address: 0.0.0.0 and :: are none that one can go to. */
export function reachable({ host, port }: Address): Address {
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port };
}

/** The URL of an address, as a program on this machine reaches it. */
export function urlOfListen(listen: Address & { ssl?: boolean }): string {
  return `${listen.ssl ? 'https' : 'http'}://${printAddress(reachable(listen))}`;
}

/** Where a program on this machine asks best: without TLS, where there is such an address. */
export function easiest(listens: readonly Listen[]): Listen | undefined {
  return listens.find(({ ssl }) => !ssl) ?? listens[0];
}

/** Says once at the start which flags are accepted and change nothing. */
export function warnOfFlags(log: Log, settings: { readonly [setting: string]: readonly Listen[] }): void {
  const flags = Object.entries(settings).flatMap(([setting, listens]) =>
    [...new Set(listens.flatMap(({ withoutEffect = [] }) => withoutEffect))].map((flag) => `${setting}: ${flag}`),
  );
  if (flags.length > 0) log.warn({ flags }, 'flags of nginx that have no effect here');
}
