import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { FailedTries } from '../admin-api/failed-tries.ts';

/** Between two tries of an address that has failed often. */
const PAUSE_MS = 250;
/** Tries of one address that wait for their turn. */
const MAX_WAITING = 64;

/**
 * Slows down whoever guesses, without locking anybody out: after ten failures the tries of an address are made one after
 * the other, a quarter of a second apart, so that a right one behind them (of another machine behind the same address)
 * still gets through.
 */
export class GuessBrake {
  readonly #clock: Clock;
  readonly #failed: FailedTries;
  /** By address: the end of its queue, and how many stand in it. */
  readonly #queues = new Map<string | null, { end: Promise<void>; length: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#failed = new FailedTries(clock);
  }

  /** @returns what `attempt` gives, undefined being a failure; `slow_down` where too many wait already */
  async try<T>(address: string | null, attempt: () => Promise<T | undefined>): Promise<T | undefined | 'slow_down'> {
    if (this.#failed.waitSeconds(address) > 0) {
      const queue = this.#queues.get(address) ?? { end: Promise.resolve(), length: 0 };
      if (queue.length >= MAX_WAITING) return 'slow_down';
      queue.length++;
      const turn = queue.end.then(() => new Promise<void>((resolve) => void this.#clock.after(PAUSE_MS, resolve)));
      queue.end = turn;
      this.#queues.set(address, queue);
      await turn;
      if (--queue.length === 0) this.#queues.delete(address);
    }
    const result = await attempt();
    if (result === undefined) this.#failed.failed(address);
    return result;
  }
}
