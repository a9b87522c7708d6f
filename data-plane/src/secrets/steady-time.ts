import type { Clock } from '@vaultplane/shared/clock.ts';

/**
 * The cache's own time, in milliseconds, made from a clock that may be set: it never goes back, so that a clock set back
 * keeps no value fresh for longer than its ttl. A clock set forward, which can't be told from a machine that slept,
 * counts as time gone by.
 */
export class SteadyTime {
  readonly #clock: Clock;
  #clockSeen: number;
  #time: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#clockSeen = clock.now();
    this.#time = this.#clockSeen;
  }

  now(): number {
    const clock = this.#clock.now();
    if (clock > this.#clockSeen) this.#time += clock - this.#clockSeen;
    this.#clockSeen = clock;
    return this.#time;
  }

  /** The clock's own time, for people and for other programs. */
  wall(): number {
    return this.#clock.now();
  }

  /** As Clock.after. When `task` runs, at least `delayMs` of this time have gone by. */
  after(delayMs: number, task: () => void): () => void {
    const due = this.now() + delayMs;
    return this.#clock.after(delayMs, () => {
      // The timer has waited whatever was done to the clock meanwhile.
      this.now();
      this.#time = Math.max(this.#time, due);
      task();
    });
  }
}
