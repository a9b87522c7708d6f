import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';

/** What a name server does with queries for a name and its kind of address. */
export type Zone = (name: string, type: 'A' | 'AAAA') => readonly string[] | 'silent' | 'absent';

const TYPES: { readonly [code: number]: 'A' | 'AAAA' } = { 1: 'A', 28: 'AAAA' };
const NAME_ERROR = 3;

/** A name server (DNS over UDP, RFC 1035) whose every answer is the test's. */
export class NameServer implements AsyncDisposable {
  /** Names that were asked for, and their types, such as `db.example A`. */
  readonly asked: string[] = [];
  zone: Zone;
  ttlSeconds = 60;
  readonly #socket: Socket;

  private constructor(zone: Zone) {
    this.zone = zone;
    this.#socket = createSocket('udp4', (query, from) => this.#answer(query, from));
  }

  /** @param address of port 53: a test that needs it has a network namespace of its own */
  static async start(zone: Zone, address = '127.0.0.1', port = 53): Promise<NameServer> {
    const server = new NameServer(zone);
    server.#socket.bind(port, address);
    await once(server.#socket, 'listening');
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(query: Buffer, { address, port }: RemoteInfo): void {
    let at = 12;
    const labels: string[] = [];
    for (let length = query[at]!; length !== 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = TYPES[query.readUInt16BE(at + 1)];
    if (type === undefined) return;
    this.asked.push(`${name} ${type}`);
    const found = this.zone(name, type);
    if (found === 'silent') return;
    const records = found === 'absent' ? [] : found.map((each) => this.#record(each, type));
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | (found === 'absent' ? NAME_ERROR : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    this.#socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...records]), port, address);
  }

  #record(address: string, type: 'A' | 'AAAA'): Buffer {
    const bytes = type === 'A' ? bytesOfIpv4(address) : bytesOfIpv6(address);
    const record = Buffer.alloc(12);
    // The name is that at byte 12, the question's.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type === 'A' ? 1 : 28, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(this.ttlSeconds, 6);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  }
}

function bytesOfIpv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** @param address with all of its eight groups, or `::` and one group */
function bytesOfIpv6(address: string): Buffer {
  if (isIP(address) !== 6) throw new Error(`${address} is no IPv6 address`);
  const [head = '', tail] = address.split('::');
  const read = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [read(head), read(tail ?? '')];
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
