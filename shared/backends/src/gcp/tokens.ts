import { CredentialStore } from '../credential-store.ts';
import { type GoogleCredentials, stampOf } from './credential-sources.ts';

/** How often the file that credentials came from is looked at. */
const LOOK_EVERY_MS = 10_000;

/** Credentials of one identity, had once for any number of calls, anew before they end, and when their file changes. */
export class Tokens {
  readonly #store: CredentialStore<GoogleCredentials>;
  readonly #now: () => number;
  #lookedAt = 0;

  /** @param find where they come from; it throws BackendError */
  constructor(find: () => Promise<GoogleCredentials>, now: () => number = Date.now) {
    this.#store = new CredentialStore(find, now);
    this.#now = now;
  }

  /** @throws BackendError */
  async get(): Promise<GoogleCredentials> {
    const held = await this.#store.get();
    if (held.file === null || Math.abs(this.#now() - this.#lookedAt) < LOOK_EVERY_MS) return held;
    this.#lookedAt = this.#now();
    if ((await stampOf(held.file.path)) === held.file.stamp) return held;
    // A file that can't be used changes nothing: what it held before is good for as long as its token lives.
    return this.#store.renew().catch(() => held);
  }

  /** Forgets credentials that were refused; others, had meanwhile, stay. */
  discard(refused: GoogleCredentials): void {
    this.#store.discard(refused);
  }
}
