import { inspect } from 'node:util';
import { BackendError } from './backend.ts';

/** What is good for a time; without an end, for ever. */
export interface Expiring {
  expiration?: Date;
}

const REFRESH_BEFORE_MS = 5 * 60_000;
const RETRY_AFTER_MS = 10_000;

/**
 * Credentials, had once for any number of calls and anew before they expire: in the last quarter of their life or the
 * last five minutes, whichever is shorter, in the background, so that no call waits for it. If that fails, the old ones
 * are used for as long as they live.
 */
export class CredentialStore<C extends Expiring> {
  readonly #what: string;
  readonly #find: () => Promise<C>;
  readonly #now: () => number;
  #held: { credentials: C; refreshAt: number } | null = null;
  #finding: Promise<C> | null = null;

  /**
   * @param what for errors, such as `AWS credentials`
   * @param find where they come from; it throws BackendError
   */
  constructor(what: string, find: () => Promise<C>, now: () => number = Date.now) {
    this.#what = what;
    this.#find = find;
    this.#now = now;
  }

  /** @throws BackendError */
  async get(): Promise<C> {
    const held = this.#held;
    if (!held || (held.credentials.expiration?.getTime() ?? Infinity) <= this.#now()) return this.#refresh();
    if (held.refreshAt <= this.#now() && !this.#finding) {
      this.#refresh().catch(() => {
        held.refreshAt = this.#now() + RETRY_AFTER_MS;
      });
    }
    return held.credentials;
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
        const life = (credentials.expiration?.getTime() ?? Infinity) - now;
        if (!(life > 0)) throw new BackendError('unavailable', `the ${this.#what} that were found have expired`);
        this.#held = { credentials, refreshAt: now + life - Math.min(REFRESH_BEFORE_MS, life / 4) };
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
