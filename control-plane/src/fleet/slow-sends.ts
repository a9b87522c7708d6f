import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** A configuration that is sent must be gone after this, and what its bytes take at the rate; else its link is closed. */
export const SLOWEST_SEND_MS = 30_000;
export const SLOWEST_BYTES_A_SECOND = 64 * 1024;

/** Bytes that are on their way to one data plane. */
export interface Sending {
  bytes: number;
  /** When they must be gone, by the monotonic clock. */
  dueMs: number;
  tooSlow: (bytes: number) => void;
}

/** Watches over all that is being sent, by one timer: a change is a thousand sends, and mostly all are gone at once. */
export class SlowSends {
  readonly #clock: Clock;
  readonly #sending = new Set<Sending>();
  /** When is looked next: when the first that was sent is due, or would have been. */
  #lookAtMs = Infinity;
  #cancelLook: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param tooSlow called once, unless they are gone by then */
  begin(bytes: number, tooSlow: Sending['tooSlow']): Sending {
    const dueMs = this.#clock.monotonic() + SLOWEST_SEND_MS + (bytes / SLOWEST_BYTES_A_SECOND) * 1000;
    const sending: Sending = { bytes, dueMs, tooSlow };
    this.#sending.add(sending);
    if (dueMs < this.#lookAtMs) this.#lookAt(dueMs);
    return sending;
  }

  /** They are gone, or their link is. */
  end(sending: Sending): void {
    this.#sending.delete(sending);
  }

  stop(): void {
    this.#cancelLook();
    this.#sending.clear();
  }

  #lookAt(atMs: number): void {
    this.#cancelLook();
    this.#lookAtMs = atMs;
    this.#cancelLook = this.#clock.after(atMs - this.#clock.monotonic(), () => this.#look());
  }

  #look(): void {
    this.#lookAtMs = Infinity;
    const now = this.#clock.monotonic();
    let next = Infinity;
    for (const sending of [...this.#sending]) {
      if (sending.dueMs > now) next = Math.min(next, sending.dueMs);
      else if (this.#sending.delete(sending)) sending.tooSlow(sending.bytes);
    }
    if (next < this.#lookAtMs) this.#lookAt(next);
  }
}
