import { inspect } from 'node:util';

/** What is good for a time; without an end, for ever. */
export interface Expiring {
  expiration?: Date;
}

interface Held<C> {
  credentials: C;
  /** How long before their end others are sought, milliseconds. */
  margin: number;
  /** When others were last sought in vain, or these were found although they had ended; milliseconds since 1970. */
  triedAt: number;
}

const REFRESH_BEFORE_MS = 5 * 60_000;
const RETRY_AFTER_MS = 10_000;

/**
 * Credentials, had once for any number of calls and anew before they expire: in the last quarter of their life or the
 * last five minutes, whichever is shorter, in the background, so that no call waits for it. Where no others are to be had
 * the old ones stay in use, also beyond their end: that is an outside time, which a clock that is set wrong misjudges, and
 * whoever gave them says soon enough that they have expired.
 */
export class CredentialStore<C extends Expiring> {
  readonly #find: () => Promise<C>;
  readonly #now: () => number;
  #held: Held<C> | null = null;
  #finding: Promise<C> | null = null;

  /**
   * @param find where they come from; it throws BackendError
   * @param now milliseconds since 1970, by the clock that their end is measured by
   */
  constructor(find: () => Promise<C>, now: () => number = Date.now) {
    this.#find = find;
    this.#now = now;
  }

  /** @throws BackendError */
  async get(): Promise<C> {
    const held = this.#held;
    if (!held) return this.#refresh();
    const now = this.#now();
    const left = endOf(held.credentials) - now;
    // The clock may be set at any time: a pause that it says is over, or not begun yet, is over.
    const isPaused = Math.abs(now - held.triedAt) < RETRY_AFTER_MS;
    if (left > held.margin || isPaused) return held.credentials;
    const refreshed = this.#refresh().catch(() => {
      held.triedAt = this.#now();
      return held.credentials;
    });
    return left > 0 ? held.credentials : refreshed;
  }

  /** Others in place of those that are held, which stay in use where they can't be had. @throws BackendError */
  renew(): Promise<C> {
    return this.#refresh();
  }

  /** Forgets credentials that were refused; others, had meanwhile, stay. */
  discard(refused: C): void {
    if (this.#held?.credentials === refused) this.#held = null;
  }

  #refresh(): Promise<C> {
    this.#finding ??= this.#find()
      .then((credentials) => {
        const now = this.#now();
        const life = endOf(credentials) - now;
        this.#held =
          life > 0
            ? { credentials, margin: Math.min(REFRESH_BEFORE_MS, life / 4), triedAt: Number.NEGATIVE_INFINITY }
            : { credentials, margin: REFRESH_BEFORE_MS, triedAt: now };
        return credentials;
      })
      .finally(() => {
        this.#finding = null;
      });
    return this.#finding;
  }

  [inspect.custom](): string {
    return 'CredentialStore(hidden)';
  }
}

/** Milliseconds since 1970; Infinity for those that do not end, or whose end is no time. */
function endOf({ expiration }: Expiring): number {
  const end = expiration?.getTime() ?? Number.POSITIVE_INFINITY;
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end;
}
