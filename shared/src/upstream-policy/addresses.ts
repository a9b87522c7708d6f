import { BlockList, isIP } from 'node:net';

/**
 * Addresses that hand credentials or the machine's own facts to whoever asks from this machine. Sources: RFC 3927 and
 * RFC 4291 (link-local); AWS (169.254.169.254, fd00:ec2::254, container credentials at 169.254.170.2 and fd00:ec2::23);
 * Google (fd20:ce::254); Azure (168.63.129.16); Alibaba Cloud (100.100.100.200); Oracle Cloud (192.0.0.192,
 * fd00:c1::a9fe:a9fe); Scaleway (fd00:42::42).
 */
const METADATA = new BlockList();
METADATA.addSubnet('169.254.0.0', 16, 'ipv4');
METADATA.addAddress('168.63.129.16', 'ipv4');
METADATA.addAddress('100.100.100.200', 'ipv4');
METADATA.addAddress('192.0.0.192', 'ipv4');
METADATA.addSubnet('fe80::', 10, 'ipv6');
METADATA.addSubnet('fd00:ec2::', 32, 'ipv6');
METADATA.addAddress('fd20:ce::254', 'ipv6');
METADATA.addAddress('fd00:c1::a9fe:a9fe', 'ipv6');
METADATA.addAddress('fd00:42::42', 'ipv6');

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an IP address, in whatever form, is link-local or one at which clouds serve metadata; false for what is none. */
export function isMetadataAddress(text: string): boolean {
  return isIn(METADATA, text);
}

/** Whether an IP address is of this machine alone; false for what is none, as for a name. */
export function isLoopbackAddress(text: string): boolean {
  return isIn(LOOPBACK, text);
}

function isIn(list: BlockList, text: string): boolean {
  if (isIP(text) === 4) return list.check(text, 'ipv4');
  if (isIP(text) !== 6) return false;
  // Such as fe80::1%eth0. An IPv4 address has no zone: what looks like one is a name.
  const address = text.replace(/%.*$/, '');
  const embedded = embeddedIpv4(address);
  return list.check(address, 'ipv6') || (embedded !== undefined && list.check(embedded, 'ipv4'));
}

/** Two halves of an address, as sixteen bits each: where an IPv4 address stands in forms of IPv6 that carry one. */
const EMBEDDING: ReadonlyArray<readonly [form: RegExp, at: number]> = [
  // IPv4-mapped (::ffff:0:0/96), IPv4-compatible (::/96) and IPv4-translated (::ffff:0:0:0/96).
  [/^0:0:0:0:0:(0|ffff):/, 6],
  [/^0:0:0:0:ffff:0:/, 6],
  // NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
  [/^64:ff9b:(0:0:0:0|1:\w+:\w+:\w+):/, 6],
  [/^2002:/, 1],
];

function embeddedIpv4(address: string): string | undefined {
  const groups = groupsOf(address);
  const text = groups.map((group) => group.toString(16)).join(':');
  const at = EMBEDDING.find(([form]) => form.test(text))?.[1];
  if (at === undefined) return undefined;
  const [high, low] = [groups[at]!, groups[at + 1]!];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const shortest = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = shortest.split('::');
  const read = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  if (tail === undefined) return read(head);
  const [before, after] = [read(head), read(tail)];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}
