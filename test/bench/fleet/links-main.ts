// The far ends of very many links in one process. What came to one link must have come to all, byte for byte; the work
// is the same whatever the other end is.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DATA_PLANE_ACCEPTS,
  decodeControlPlaneMessage,
  encodeMessage,
  vaultsOf,
} from '@vaultplane/model/protocol/protocol.ts';
import { applyDelta, type ConfigPosition, checkSnapshot, type Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { WebSocket } from 'ws';
import { now, serveParent } from './program.ts';

export interface LinksInput {
  url: string;
  cert: string;
  key: string;
  count: number;
  /** So many handshakes are under way at a time. */
  atOnce: number;
}

/** Bytes of a welcome, and of all that followed it. */
export interface Recorded {
  welcome: Uint8Array;
  configs: Uint8Array[];
}

const MOST_FAILURES = 8;

let links: Link[] = [];
let welcome: Buffer | undefined;
/** What has come, in order, and the acknowledgement of it. */
let configs: Array<{ bytes: Buffer; ack: Buffer; position: ConfigPosition }> = [];
let problem: Error | undefined;
let wake = () => {};

class Link {
  readonly socket: WebSocket;
  readonly #id = randomUUID();
  welcomed = false;
  /** Configurations that have come. */
  configs = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      try {
        if (this.welcomed) this.#receive(data);
        else this.#greet(data);
      } catch (error) {
        problem ??= error as Error;
      }
      wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (links.includes(this)) problem ??= new Error('a link was closed');
      wake();
    });
  }

  /** @param config what this link says it has */
  hello(config: ConfigPosition | null): void {
    this.socket.send(
      encodeMessage({
        ...{ type: 'hello', protocols: [1], node_id: this.#id, hostname: 'a-host', program_version: '0.1.0', config },
        ...{ labels: {}, accepts: [...DATA_PLANE_ACCEPTS] },
      }),
    );
  }

  #greet(data: Buffer): void {
    welcome ??= Buffer.from(data);
    if (decodeControlPlaneMessage(data).type !== 'welcome') throw new Error('the first message is no welcome');
    this.welcomed = true;
  }

  #receive(data: Buffer): void {
    const known = configs[this.configs++];
    if (known && !known.bytes.equals(data)) throw new Error('links were sent different bytes');
    this.socket.send((known ?? learn(data)).ack);
  }
}

function learn(data: Buffer): (typeof configs)[number] {
  const message = decodeControlPlaneMessage(data);
  if (message.type !== 'snapshot' && message.type !== 'delta') throw new Error(`a message of type ${message.type}`);
  const { timeline, hash } = message;
  const position = { timeline, hash, version: message.type === 'delta' ? message.to : message.version };
  const learned = { bytes: Buffer.from(data), ack: encodeMessage({ type: 'ack', ...position }), position };
  configs.push(learned);
  return learned;
}

async function until(holds: (link: Link) => boolean): Promise<number> {
  // From the back: it is mostly the last one that is waited for.
  for (let index = links.length - 1; index >= 0; ) {
    if (problem) throw problem;
    if (holds(links[index]!)) index--;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  // What was answered last has been read when the pong is back.
  const last = links.at(-1)!.socket;
  last.ping();
  await once(last, 'pong');
  return now();
}

/** As a data plane does, a link that is not taken in comes again, after a pause that grows. */
async function connect(input: LinksInput, failures = 0): Promise<Link> {
  const { url, cert, key } = input;
  const socket = new WebSocket(url, { cert, key, rejectUnauthorized: false, perMessageDeflate: false });
  const link = new Link(socket);
  try {
    await once(socket, 'open');
    return link;
  } catch (error) {
    socket.terminate();
    if (failures >= MOST_FAILURES) throw error;
    await sleep(Math.random() * 100 * 2 ** failures);
    return connect(input, failures + 1);
  }
}

const close = async () => {
  const closing = links;
  links = [];
  const gone = closing.map(({ socket }) => socket.readyState === WebSocket.CLOSED || once(socket, 'close'));
  for (const { socket } of closing) socket.terminate();
  await Promise.all(gone);
};

serveParent({
  /** Connects, without a hello. */
  connect: async (input: LinksInput) => {
    let left = input.count;
    const made: Link[] = [];
    await Promise.all(
      Array.from({ length: input.atOnce }, async () => {
        while (left-- > 0) made.push(await connect(input));
      }),
    );
    links = made;
  },
  /** All say hello. `had`: they have the newest configuration that came. */
  hello: ({ had }: { had: boolean }) => {
    const position = had ? configs.at(-1)!.position : null;
    if (!had) configs = [];
    for (const link of links) {
      if (had) link.configs = configs.length;
      link.hello(position);
    }
  },
  untilWelcomed: () => until(({ welcomed }) => welcomed),
  /** @returns when the last link had that many more than at its hello */
  untilConfigs: (count: number) => until((link) => link.configs >= count),
  configs: () => configs.length,
  /** Everything in flight has come: then each link has had so many configurations, and no more. */
  checkConfigs: async (count: number) => {
    await Promise.all(
      links.map(async ({ socket }) => {
        socket.ping();
        await once(socket, 'pong');
      }),
    );
    if (problem) throw problem;
    const wrong = links.filter((link) => link.configs !== count).length;
    if (wrong > 0) throw new Error(`${wrong} links have not had ${count} configurations`);
  },
  /** What came gives, applied in order, the hashes that it promises. @returns its vaults */
  verify: (): number => {
    let snapshot: Snapshot | undefined;
    for (const { bytes } of configs) {
      const message = decodeControlPlaneMessage(bytes);
      if (message.type === 'snapshot') snapshot = checkSnapshot({ ...message, vaults: vaultsOf(message.vaults) });
      if (message.type === 'delta')
        snapshot = applyDelta(snapshot!, { ...message, upserts: vaultsOf(message.upserts) });
    }
    return snapshot!.vaults.length;
  },
  recorded: (): Recorded => ({ welcome: welcome!, configs: configs.map(({ bytes }) => bytes) }),
  close,
});
