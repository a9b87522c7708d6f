import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** A wall clock this much ahead of the monotonic one was set forward, or the machine slept; less is their rounding. */
const JUMP_MS = 1000;

/**
 * The cache's own time, in milliseconds, which nobody can set: the monotonic clock's, and what a sleeping machine has
 * kept from that. So a clock set back keeps no value fresh for longer than its ttl. A clock set forward can't be told
 * from a sleep and counts as one.
 */
export class SteadyTime {
  readonly #clock: Clock;
  /** The wall clock's lead over the monotonic one, when it was last taken note of. */
  #lead: number;
  #slept = 0;
  /** Not longer ago than the clock's reuseMs, but for a turn of the event loop that takes longer. */
  #readRecently = false;
  readonly #onReadLongAgo = () => {
    this.#readRecently = false;
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lead = clock.now() - clock.monotonic();
  }

  now(): number {
    const monotonic = this.#clock.monotonic();
    const lead = this.#clock.now() - monotonic;
    if (lead < this.#lead) {
      this.#lead = lead;
    } else if (lead > this.#lead + JUMP_MS) {
      this.#slept += lead - this.#lead;
      this.#lead = lead;
    }
    return monotonic + this.#slept;
  }

  /** `readForMany` was called a moment ago: two clocks are not read for every one of many lookups. */
  get wasReadRecently(): boolean {
    return this.#readRecently;
  }

  /** As `now`, for all lookups of the next milliseconds too. */
  readForMany(): number {
    const { reuseMs } = this.#clock;
    if (reuseMs > 0) {
      this.#readRecently = true;
      this.#clock.after(reuseMs, this.#onReadLongAgo);
    }
    return this.now();
  }

  /** The wall clock's time, for people and for other programs. */
  wall(): number {
    return this.#clock.now();
  }

  /** As Clock.after. A clock set forward makes no timer fire earlier. */
  after(delayMs: number, task: () => void): () => void {
    return this.#clock.after(delayMs, task);
  }
}
