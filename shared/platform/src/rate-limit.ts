import type { Clock } from './time/clock.ts';

/** Lets through so many at once, and after that one each `everyMs` milliseconds (a token bucket). */
export class RateLimit {
  readonly #clock: Clock;
  readonly #atOnce: number;
  readonly #everyMs: number;
  #left: number;
  #filledAt: number;

  constructor(options: { clock: Clock; atOnce: number; everyMs: number }) {
    this.#clock = options.clock;
    this.#atOnce = options.atOnce;
    this.#everyMs = options.everyMs;
    this.#left = options.atOnce;
    this.#filledAt = options.clock.monotonic();
  }

  /**
   * Takes so many, or none where they are not all there. More than there can ever be count as all there can be.
   *
   * @returns 0: it may; else in how many seconds, whole and at least 1, it may be tried again
   */
  take(count = 1): number {
    const wanted = Math.min(count, this.#atOnce);
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#atOnce, this.#left + (now - this.#filledAt) / this.#everyMs);
    this.#filledAt = now;
    if (this.#left < wanted) return Math.max(1, Math.ceil(((wanted - this.#left) * this.#everyMs) / 1000));
    this.#left -= wanted;
    return 0;
  }
}
