import type { Socket } from 'node:net';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** So many handshakes go on at once. */
const MOST_AT_ONCE = 32;
/** One that takes longer counts no more, so that slow ones keep nobody out. */
const LONGEST_COUNTED_MS = 3_000;
/** Whoever has waited longer has little left of its 10 s: it had better come again, after its pause. */
const LONGEST_WAIT_MS = 4_000;
/** A connection that has not said a word by then is closed. */
const FIRST_WORD_WITHIN_MS = 10_000;
const MOST_WAITING = 10_000;

/** As much of a socket as tells whose it is. */
type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>;

interface Waiting {
  socket: Socket;
  since: number;
  begin: () => void;
}

/**
 * Lets connections begin their TLS handshake in the order in which they spoke, a bounded number at a time. A thousand data
 * planes that come back together would otherwise share a busy processor so finely that none is done within the 10 s for
 * which a data plane waits: all would give up, come again, and none get in.
 */
export class HandshakeQueue {
  readonly #clock: Clock;
  readonly #mostAtOnce: number;
  /** By peer: what ends its turn. */
  readonly #turns = new Map<string, () => void>();
  readonly #waiting: Waiting[] = [];

  constructor({ clock, mostAtOnce = MOST_AT_ONCE }: { clock: Clock; mostAtOnce?: number }) {
    this.#clock = clock;
    this.#mostAtOnce = mostAtOnce;
  }

  /** Calls `begin` when it is this connection's turn; never for one that says nothing, or is gone by then. */
  enter(socket: Socket, begin: () => void): void {
    socket.on('error', () => {});
    const cancel = this.#clock.after(FIRST_WORD_WITHIN_MS, () => socket.destroy());
    socket.once('close', cancel);
    // Nobody is waited for who has not said a word: such a connection takes no turn.
    socket.once('readable', () => {
      cancel();
      socket.off('close', cancel);
      if (socket.destroyed) return;
      if (this.#turns.size < this.#mostAtOnce) this.#begin(socket, begin);
      else if (this.#waiting.length >= MOST_WAITING) socket.destroy();
      else this.#waiting.push({ socket, since: this.#clock.monotonic(), begin });
    });
  }

  /** The handshake of a peer is over. */
  leave(peer: Peer): void {
    this.#turns.get(keyOf(peer))?.();
  }

  #begin(socket: Socket, begin: () => void): void {
    const key = keyOf(socket);
    const done = () => {
      cancel();
      socket.off('close', done);
      if (this.#turns.delete(key)) this.#next();
    };
    const cancel = this.#clock.after(LONGEST_COUNTED_MS, done);
    this.#turns.set(key, done);
    socket.once('close', done);
    begin();
  }

  #next(): void {
    while (this.#turns.size < this.#mostAtOnce) {
      const next = this.#waiting.shift();
      if (!next) return;
      if (next.socket.destroyed) continue;
      if (this.#clock.monotonic() - next.since > LONGEST_WAIT_MS) next.socket.destroy();
      else this.#begin(next.socket, next.begin);
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}
