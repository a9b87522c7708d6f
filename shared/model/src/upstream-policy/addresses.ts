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
  return isIn(METADATA, text, EMBEDDINGS);
}

/**
 * Whether an IP address is of this machine alone; false for what is none, as for a name. An address that carries 127.0.0.1 to
 * somewhere else, as NAT64 and 6to4 do, is not.
 */
export function isLoopbackAddress(text: string): boolean {
  return isIn(LOOPBACK, text, [MAPPED]);
}

function isIn(list: BlockList, text: string, embeddings: readonly Embedding[]): boolean {
  if (isIP(text) === 4) return list.check(text, 'ipv4');
  if (isIP(text) !== 6) return false;
  // Such as fe80::1%eth0. An IPv4 address has no zone: what looks like one is a name.
  const address = text.replace(/%.*$/, '');
  return list.check(address, 'ipv6') || embeddedIpv4(address, embeddings).some((ipv4) => list.check(ipv4, 'ipv4'));
}

/** A form of IPv6 that carries an IPv4 address, and the bytes in which that may stand. */
interface Embedding {
  form: RegExp;
  bytes: ReadonlyArray<readonly [number, number, number, number]>;
}

const LAST = [12, 13, 14, 15] as const;
/** ::ffff:0:0/96, which the system takes for the IPv4 address itself. Source: RFC 4291, section 2.5.5.2. */
const MAPPED: Embedding = { form: /^0:0:0:0:0:ffff:/, bytes: [LAST] };
const EMBEDDINGS: readonly Embedding[] = [
  MAPPED,
  // IPv4-compatible (::/96) and IPv4-translated (::ffff:0:0:0/96).
  { form: /^0:0:0:0:(0:0|ffff:0):/, bytes: [LAST] },
  { form: /^64:ff9b:0:0:0:0:/, bytes: [LAST] },
  // NAT64's prefix for local use (RFC 8215) is divided as a network likes: /48, /56, /64 or /96 (RFC 6052, section 2.2).
  { form: /^64:ff9b:1:/, bytes: [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], LAST] },
  // 6to4 (RFC 3056).
  { form: /^2002:/, bytes: [[2, 3, 4, 5]] },
];

function embeddedIpv4(address: string, embeddings: readonly Embedding[]): string[] {
  const groups = groupsOf(address);
  const text = groups.map((group) => group.toString(16)).join(':');
  const octets = groups.flatMap((group) => [group >> 8, group & 255]);
  return embeddings
    .filter(({ form }) => form.test(text))
    .flatMap(({ bytes }) => bytes.map((places) => places.map((place) => octets[place]).join('.')));
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
