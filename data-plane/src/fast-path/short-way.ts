import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Grant } from '../auth/client.ts';
import type { Resolved } from '../cache/resolver.ts';
import type { Door } from '../endpoints/door.ts';
import type { Connections } from '../limits/connections.ts';
import { namesThisMachine } from '../limits/guards.ts';
import type { Content } from '../server/answer.ts';
import type { PlainLookup, Routes } from '../server/route.ts';
import { EndOfTurn } from './end-of-turn.ts';
import { LONGEST_PLAIN_HEAD, parsePlainHead } from './plain-head.ts';

/** What a head that was read before asks for, and on whose behalf. No answer is in it. */
interface KnownHead {
  bytes: Buffer;
  lookup: PlainLookup;
  grant: Grant;
  /** Of the tokens, when the grant was given. */
  accessGeneration: number;
}

/** The bytes of an answer, good for as long as what is said in them is so. */
interface ReadyAnswer {
  configVersion: number | null;
  /** Of the Date header: seconds since 1970. */
  second: number;
  answer: PlainLookup['answer'];
  bytes: Buffer;
}

/** Heads remembered; applications send the same few over and over. */
const MOST_HEADS = 4096;
/** Larger answers, and readers that leave so much unread, are for node:http, which minds slow readers. */
const LARGEST_ANSWER_BYTES = 16 * 1024;
/** As node:http has it. */
const FIRST_HEAD_WITHIN_MS = 10_000;
/** Idle connections are looked for so often: a timer of its own for each would cost every call. */
const SWEEP_EVERY_MS = 1000;

export interface ShortWayOptions {
  server: Server;
  door: Door;
  routes: Routes;
  connections: Connections;
  hostIsChecked: boolean;
}

/**
 * A short way to the plainest answers: connections are read here first, and a head that is known by its bytes is answered
 * at once, without node:http, with the bytes that node:http would send. What it asks for is looked up every time, so no
 * answer can be older than any other door's; only its reading and its writing down are remembered. At the first thing out of
 * the ordinary the connection is node:http's for good, with the bytes that have come.
 */
export class ShortWay {
  readonly #options: ShortWayOptions;
  readonly #handOver: (socket: Socket) => void;
  readonly #heads = new Map<string, KnownHead>();
  readonly #ready = new WeakMap<Resolved, ReadyAnswer>();
  readonly #open = new Map<Socket, ShortConnection>();
  readonly #begun = new WeakMap<Socket, Promise<Resolved>>();
  readonly #answers = new EndOfTurn<ShortConnection>(sendUnsent);
  #stopping = false;
  #cancelSweep = () => {};
  /** Calls answered here. */
  answered = 0;

  constructor(options: ShortWayOptions) {
    this.#options = options;
    const { server } = options;
    const [listener] = server.listeners('connection') as Array<(this: Server, socket: Socket) => void>;
    server.removeListener('connection', listener!);
    this.#handOver = (socket) => listener!.call(server, socket);
    server.on('connection', (socket: Socket) => this.#accept(socket));
    this.#sweepLater();
  }

  /** A lookup that was begun for a call that node:http now answers: the call's, and nobody else's. */
  takeBegun(socket: Socket): Promise<Resolved> | undefined {
    const begun = this.#begun.get(socket);
    if (begun) this.#begun.delete(socket);
    return begun;
  }

  /** Ends connections on which nothing goes on; those on which something does end when it is done. */
  stop(): void {
    this.#stopping = true;
    this.#cancelSweep();
    for (const connection of this.#open.values()) if (!connection.waiting) end(connection);
  }

  /** Cuts every connection that is still open. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #accept(socket: Socket): void {
    if (socket.destroyed) return;
    const connection: ShortConnection = {
      socket,
      known: null,
      waiting: false,
      idleSweeps: 0,
      unsent: null,
      leave: () => {},
    };
    const onData = (chunk: Buffer) => this.#onData(connection, chunk);
    const onEnd = () => {
      sendUnsent(connection);
      socket.end();
    };
    const onError = () => socket.destroy();
    const onClose = () => this.#open.delete(socket);
    connection.leave = () => {
      this.#open.delete(socket);
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      socket.removeListener('close', onClose);
      socket.removeListener('error', onError);
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
    this.#open.set(socket, connection);
  }

  #onData(connection: ShortConnection, chunk: Buffer): void {
    const { socket } = connection;
    connection.idleSweeps = 0;
    const known = this.#stopping ? null : this.#know(connection, chunk);
    if (!known || socket.writableLength > LARGEST_ANSWER_BYTES) {
      this.#leaveTo(connection, chunk);
      return;
    }
    let result: Resolved | Promise<Resolved>;
    try {
      if (connection.known !== known) {
        this.#options.connections.prove(socket, known.grant.client);
        connection.known = known;
      }
      result = this.#options.door.lookups.one(known.grant.client, known.lookup.reference, {});
    } catch (error) {
      this.#leaveTo(connection, chunk, Promise.reject(error));
      return;
    }
    if (result instanceof Promise) void this.#waitFor(connection, chunk, known, result);
    else this.#answer(connection, chunk, known, result);
  }

  /** What these bytes ask for, if they are one plain head of somebody who may ask here. */
  #know({ known: last }: ShortConnection, chunk: Buffer): KnownHead | null {
    if (last && this.#holds(last) && last.bytes.equals(chunk)) return last;
    if (chunk.length > LONGEST_PLAIN_HEAD) return null;
    const text = chunk.toString('latin1');
    const known = this.#heads.get(text);
    return known && this.#holds(known) ? known : this.#learn(text, chunk);
  }

  /** Whether its token gives what it gave. */
  #holds({ accessGeneration, grant }: KnownHead): boolean {
    const { access, clock } = this.#options.door;
    return accessGeneration === access.generation && (grant.until === Infinity || grant.until > clock.monotonic());
  }

  #learn(text: string, chunk: Buffer): KnownHead | null {
    const { door, routes, hostIsChecked } = this.#options;
    this.#heads.delete(text);
    const head = parsePlainHead(text);
    if (!head || (hostIsChecked && !namesThisMachine(head))) return null;
    const grant = door.access.grantOf(head.headers);
    const lookup = grant && routes.find(head.path)?.plainLookup?.(head.path, head.query);
    if (!lookup) return null;
    const known = { bytes: Buffer.from(chunk), lookup, grant, accessGeneration: door.access.generation };
    if (this.#heads.size >= MOST_HEADS) this.#heads.clear();
    this.#heads.set(text, known);
    return known;
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#options.door.clock.after(SWEEP_EVERY_MS, () => {
      const { keepAliveTimeout } = this.#options.server;
      for (const connection of this.#open.values()) {
        const limit = connection.known ? keepAliveTimeout : FIRST_HEAD_WITHIN_MS;
        connection.idleSweeps++;
        if (!connection.waiting && connection.idleSweeps * SWEEP_EVERY_MS > limit) connection.socket.destroy();
      }
      this.#sweepLater();
    });
  }

  /** Nothing more is read meanwhile: answers are in the order of the calls. */
  async #waitFor(
    connection: ShortConnection,
    chunk: Buffer,
    known: KnownHead,
    result: Promise<Resolved>,
  ): Promise<void> {
    const { socket } = connection;
    connection.waiting = true;
    socket.pause();
    const resolved = await result.catch(() => null);
    connection.waiting = false;
    if (socket.destroyed) return;
    if (resolved) this.#answer(connection, chunk, known, resolved);
    else this.#leaveTo(connection, chunk, result);
    if (this.#stopping && this.#open.has(socket)) end(connection);
    socket.resume();
  }

  #answer(connection: ShortConnection, chunk: Buffer, { lookup }: KnownHead, resolved: Resolved): void {
    const { door } = this.#options;
    const configVersion = door.configVersion();
    const second = Math.floor(Date.now() / 1000);
    let ready = this.#ready.get(resolved);
    if (!ready || ready.configVersion !== configVersion || ready.second !== second || ready.answer !== lookup.answer) {
      const bytes = this.#bytesOf(lookup.answer(resolved), second);
      ready = { configVersion, second, answer: lookup.answer, bytes };
      if (bytes.length > LARGEST_ANSWER_BYTES) {
        this.#leaveTo(connection, chunk, Promise.resolve(resolved));
        return;
      }
      this.#ready.set(resolved, ready);
    }
    this.answered++;
    if (connection.unsent) {
      connection.unsent = Buffer.concat([connection.unsent, ready.bytes]);
      return;
    }
    connection.unsent = ready.bytes;
    this.#answers.add(connection);
  }

  /** As node:http writes it. */
  #bytesOf({ status, headers, body }: Content, second: number): Buffer {
    let head = `HTTP/1.1 ${status} OK\r\n`;
    for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
    head += `Date: ${new Date(second * 1000).toUTCString()}\r\nConnection: keep-alive\r\n`;
    head += `Keep-Alive: timeout=${Math.floor(this.#options.server.keepAliveTimeout / 1000)}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }

  #leaveTo(connection: ShortConnection, chunk: Buffer, begun?: Promise<Resolved>): void {
    const { socket } = connection;
    connection.leave();
    sendUnsent(connection);
    if (begun) {
      begun.catch(() => {});
      this.#begun.set(socket, begun);
    }
    socket.unshift(chunk);
    this.#handOver(socket);
  }
}

/** A connection that is still read here. */
interface ShortConnection {
  readonly socket: Socket;
  /** What it sent last; as a rule it sends the same again. */
  known: KnownHead | null;
  /** A lookup of it waits for a vault. */
  waiting: boolean;
  /** Sweeps since it last sent something. */
  idleSweeps: number;
  /** Answers that go out at the end of this turn. */
  unsent: Buffer | null;
  /** Takes away all that was set on the socket. */
  leave: () => void;
}

function sendUnsent(connection: ShortConnection): void {
  const { socket, unsent } = connection;
  connection.unsent = null;
  if (unsent) socket.write(unsent);
}

function end(connection: ShortConnection): void {
  sendUnsent(connection);
  connection.socket.destroySoon();
}
