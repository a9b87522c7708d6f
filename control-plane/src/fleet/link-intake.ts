import type { Readable } from 'node:stream';
import { MAX_HELLO_BYTES } from '@vaultplane/model/protocol/protocol.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { WebSocket } from 'ws';
import type { MemoryBudget, MemoryShare } from './memory-budget.ts';

/** A link may bring this many bytes at once, and after that so many a second: more is left in the network. */
export const BYTES_AT_ONCE = 4 * 1024 * 1024;
export const BYTES_A_SECOND = 256 * 1024;
/** Bytes of messages that have begun and not ended, over all links. */
export const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
/** While more than this waits to be sent, a ping is not answered: whoever reads nothing is not to fill memory by asking. */
const MAX_WAITING_FOR_PONG = 64 * 1024;
/** Of a frame with a mask and at most 125 bytes. Source: RFC 6455 §5.2. */
const CONTROL_FRAME_HEAD_BYTES = 6;
/** A hello, its frame, and what a WebSocket may say before it. */
const MAX_BYTES_BEFORE_HELLO = MAX_HELLO_BYTES + 1024;

export interface LinkIntakeOptions {
  /** Both ends of the same: the WebSocket, and what it is spoken on. */
  socket: WebSocket;
  connection: Readable;
  /** Of MAX_UNREAD_BYTES. */
  budget: MemoryBudget;
  clock: Clock;
  /** Called once, with a code and a reason, when the link is to be closed for what it brings. */
  exceeded: (code: string, reason: string) => void;
}

/**
 * Bounds what one link may bring: little before its hello, a number of bytes a second after it, and no more unfinished
 * messages than all links together may hold. It counts bytes as they come, before the WebSocket takes them.
 */
export class LinkIntake {
  readonly #options: LinkIntakeOptions;
  readonly #unread: MemoryShare;
  #greeted = false;
  #left = BYTES_AT_ONCE;
  #filledAt: number;
  #cancelResume: (() => void) | undefined;

  constructor(options: LinkIntakeOptions) {
    this.#options = options;
    const { socket, connection, budget, clock } = options;
    this.#filledAt = clock.monotonic();
    this.#unread = budget.open(() => this.#exceed('too_much', 'all links together bring more than can be read'));
    connection.prependListener('data', this.#count);
    socket.on('ping', this.#pinged);
    socket.on('pong', this.#readFrame);
  }

  /** The link has said who it is. */
  greeted(): void {
    this.#greeted = true;
  }

  /** What has come is read: a message is whole. */
  read(): void {
    this.#unread.set(0);
  }

  end(): void {
    this.#options.connection.off('data', this.#count);
    this.#cancelResume?.();
    this.#unread.close();
  }

  readonly #count = (chunk: Buffer): void => {
    const bytes = this.#unread.bytes + chunk.length;
    if (!this.#greeted && bytes > MAX_BYTES_BEFORE_HELLO) {
      this.#exceed('too_large', `a hello may have ${MAX_HELLO_BYTES} bytes`);
      return;
    }
    this.#unread.set(bytes);
    this.#left -= chunk.length;
    if (this.#left < 0) this.#slowDown();
  };

  /** A control frame is read, which may come in the middle of a message. */
  readonly #readFrame = (data: Buffer): void => {
    this.#unread.set(Math.max(0, this.#unread.bytes - data.length - CONTROL_FRAME_HEAD_BYTES));
  };

  readonly #pinged = (data: Buffer): void => {
    this.#readFrame(data);
    const { socket } = this.#options;
    if (socket.readyState === socket.OPEN && socket.bufferedAmount < MAX_WAITING_FOR_PONG) socket.pong(data);
  };

  #slowDown(): void {
    const { clock, socket } = this.#options;
    const now = clock.monotonic();
    this.#left = Math.min(BYTES_AT_ONCE, this.#left + ((now - this.#filledAt) / 1000) * BYTES_A_SECOND);
    this.#filledAt = now;
    if (this.#left >= 0 || this.#cancelResume) return;
    socket.pause();
    this.#cancelResume = clock.after((-this.#left / BYTES_A_SECOND) * 1000, () => {
      this.#cancelResume = undefined;
      if (socket.readyState === socket.OPEN) socket.resume();
    });
  }

  #exceed(code: string, reason: string): void {
    this.end();
    this.#options.exceeded(code, reason);
    // What still comes is not taken.
    this.#options.socket.pause();
  }
}
