import { inspect } from 'node:util';
import { BackendError } from '../backend.ts';

/** What signs a call. Never printed: it lives in CredentialStore alone, and in what the AWS SDK makes of it. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** As the AWS SDK takes credentials. */
export type CredentialProvider = (() => Promise<AwsCredentials>) & { memoized: true };

const REFRESH_BEFORE_MS = 5 * 60_000;
const RETRY_AFTER_MS = 10_000;

/**
 * Credentials, had once for any number of calls and anew before they expire: in the last quarter of their life or the
 * last five minutes, whichever is shorter, in the background, so that no call waits for it. If that fails, the old ones
 * are used for as long as they live.
 */
export class CredentialStore {
  readonly #find: () => Promise<AwsCredentials>;
  readonly #now: () => number;
  #held: { credentials: AwsCredentials; refreshAt: number } | null = null;
  #finding: Promise<AwsCredentials> | null = null;

  /** @param find where they come from; it throws BackendError */
  constructor(find: () => Promise<AwsCredentials>, now: () => number = Date.now) {
    this.#find = find;
    this.#now = now;
  }

  /** @throws BackendError */
  async get(): Promise<AwsCredentials> {
    const held = this.#held;
    if (!held || (held.credentials.expiration?.getTime() ?? Infinity) <= this.#now()) return this.#refresh();
    if (held.refreshAt <= this.#now() && !this.#finding) {
      this.#refresh().catch(() => {
        held.refreshAt = this.#now() + RETRY_AFTER_MS;
      });
    }
    return held.credentials;
  }

  /** Forgets credentials that AWS has refused; others, had meanwhile, stay. */
  discard(refused: AwsCredentials): void {
    if (this.#held?.credentials === refused) this.#held = null;
  }

  /** For the AWS SDK, which is told to leave the remembering to this store. */
  get provider(): CredentialProvider {
    return Object.assign(() => this.get(), { memoized: true as const });
  }

  #refresh(): Promise<AwsCredentials> {
    this.#finding ??= this.#find()
      .then((credentials) => {
        const now = this.#now();
        const life = (credentials.expiration?.getTime() ?? Infinity) - now;
        if (!(life > 0)) throw new BackendError('unavailable', 'the AWS credentials that were found have expired');
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
