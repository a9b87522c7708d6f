import type { Socket } from 'node:net';
import type { Clock } from '@vaultplane/shared/clock.ts';
import type { Connections } from './connections.ts';

/** A connection on which nothing moves for so long in the middle of a call is cut, milliseconds. */
const SILENCE_MS = 30_000;
/** And later by up to this. */
const SWEEP_EVERY_MS = 5_000;

/** What node:http and node:net know of a socket beside what they document. */
interface Inside {
  /** The answer that is being given. */
  _httpMessage?: object | null;
  /** Undocumented, and what node:net's own timeout goes by: bytes that the kernel has not taken yet. */
  _handle?: { writeQueueSize?: number } | null;
}

/** How far a connection had come, and when it was seen to have come there first. */
interface Progress {
  moved: number;
  at: number;
}

/**
 * Cuts connections that stand still in the middle of a call: the rest of it does not come, the answer is not read, or there
 * is none. It does what `server.timeout` does, by a look at all of them every few seconds: with that, node:http makes a
 * timer more for every call, which the collector finds among its older objects once it has moved there, and with it much of
 * what every later call leaves behind. Connections on which there is no call are kept for as long as keepAliveTimeout says.
 */
export class SilentCalls {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #progress = new WeakMap<Socket, Progress>();
  #cancelSweep = () => {};

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
    this.#sweepLater();
  }

  stop(): void {
    this.#cancelSweep();
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#clock.after(SWEEP_EVERY_MS, () => {
      const now = this.#clock.monotonic();
      for (const socket of this.#connections.sockets()) this.#look(socket, now);
      this.#sweepLater();
    });
  }

  #look(socket: Socket, now: number): void {
    const { _httpMessage: call, _handle: handle } = socket as unknown as Inside;
    if (!call && socket.writableLength === 0) {
      this.#progress.delete(socket);
      return;
    }
    const unsent = socket.writableLength + (handle?.writeQueueSize ?? 0);
    // Grows by what is read, by what is written, and by what of that the other side has taken.
    const moved = socket.bytesRead + 2 * socket.bytesWritten - unsent;
    const before = this.#progress.get(socket);
    if (before?.moved !== moved) this.#progress.set(socket, { moved, at: now });
    else if (now - before.at >= SILENCE_MS) socket.destroy();
  }
}
