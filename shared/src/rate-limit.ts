import type { Clock } from './clock.ts';

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

  /** 0: it may; else in how many seconds, whole and at least 1, it may be tried again. */
  take(): number {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#atOnce, this.#left + (now - this.#filledAt) / this.#everyMs);
    this.#filledAt = now;
    if (this.#left < 1) return Math.max(1, Math.ceil(((1 - this.#left) * this.#everyMs) / 1000));
    this.#left--;
    return 0;
  }
}
