import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { systemClock } from '../time/clock.ts';
import { NameError } from './dns-queries.ts';
import { Names } from './names.ts';

/** Of this process: all that it connects to shares what is known of names. */
const names = new Names({ clock: systemClock });

/** The addresses of a host, which may be an address itself. @throws NameError */
export async function addressesOf(host: string): Promise<readonly LookupAddress[]> {
  const address = literalAddress(host);
  return address === undefined ? names.resolve(host) : [{ address, family: isIP(address) }];
}

/**
 * The address that a host is, without asking anybody; undefined for a name. An IPv4 address may be in any form that resolvers
 * take, such as 0x7f.1 or 2130706433. Source: inet_aton(3).
 */
export function literalAddress(host: string): string | undefined {
  const isNumber = /(^|\.)(0x[0-9a-f]*|\d+)$/i.test(host);
  const address = isNumber ? (URL.parse(`http://${host}/`)?.hostname ?? host) : host;
  return isIP(address) === 0 ? undefined : address;
}

/** The addresses that /etc/hosts has for a name. */
export function hostsFileAddresses(name: string): readonly string[] {
  return names.hostsOf(name);
}

/**
 * In place of dns.lookup, for every socket of ours that goes out: a name whose servers are dead holds up no other name
 * (names.ts).
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  addressesOf(hostname).then(
    (found) => {
      const family = familyOf(options.family);
      const fitting = inOrder(found.filter((each) => family === 0 || each.family === family));
      const [first] = fitting;
      if (!first) callback(new NameError('ENOTFOUND', hostname), options.all ? [] : '', 0);
      else if (options.all) callback(null, fitting);
      else callback(null, first.address, first.family);
    },
    (error: NodeJS.ErrnoException) => callback(error, options.all ? [] : '', 0),
  );
};

function familyOf(family: number | string | undefined): number {
  if (family === 'IPv4') return 4;
  return family === 'IPv6' ? 6 : Number(family ?? 0);
}

/** IPv6 first where this machine has an address for it, as getaddrinfo sorts. Source: RFC 6724. */
function inOrder(found: LookupAddress[]): LookupAddress[] {
  if (found.every(({ family }) => family === found[0]?.family)) return found;
  const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
    list?.some(({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address)),
  );
  return found.toSorted((a, b) => (hasIpv6 ? b.family - a.family : a.family - b.family));
}
