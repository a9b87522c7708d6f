const LONGEST_MS = 60_000;
/** A lookup that holds nothing is not kept from asking for longer than this. */
const LONGEST_FOR_LOOKUPS_MS = 5_000;

/** 0 up to 1; 0.5 makes every jitter 1. */
export type Random = () => number;

/** A factor of 0.9 to 1.1 (specification.md §4). */
export function jitter(random: Random): number {
  return 0.9 + 0.2 * random();
}

/** 1, 2, 4, 8 … 60 seconds before the next try, with jitter. */
export function backoffMs(failures: number, random: Random): number {
  return Math.min(LONGEST_MS, 1000 * 2 ** Math.min(failures - 1, 16)) * jitter(random);
}

/** Failures in a row of something that is asked again, and until when to leave it alone. */
export class Backoff {
  readonly #random: Random;
  #failures = 0;
  #failedAt = 0;
  #until = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  failed(now: number): void {
    // Long quiet since: not one outage any more, but another.
    if (now - this.#failedAt > 2 * LONGEST_MS) this.#failures = 0;
    this.#failures++;
    this.#failedAt = now;
    this.#until = now + backoffMs(this.#failures, this.#random);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#until = 0;
  }

  /** Whether a call that began then, and failed, was not already under way when the last failure was noted. */
  isNews(beganAt: number): boolean {
    return this.#failures === 0 || beganAt > this.#failedAt;
  }

  get failures(): number {
    return this.#failures;
  }

  /** When to ask again; 0 where nothing failed. */
  get until(): number {
    return this.#until;
  }

  /**
   * Until when a lookup that holds nothing is answered from the last failure. The first failure holds up nobody: it may
   * have been one bad moment. From the second on lookups are bounded, but never for as long as background tries.
   */
  get lookupsUntil(): number {
    return this.#failures < 2 ? 0 : Math.min(this.#until, this.#failedAt + LONGEST_FOR_LOOKUPS_MS);
  }
}
