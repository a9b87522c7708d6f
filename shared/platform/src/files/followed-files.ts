import { errorMessage } from '../errors.ts';
import type { Log } from '../logging/log.ts';
import type { Clock } from '../time/clock.ts';
import { FreshRuns } from './fresh-runs.ts';

/** How often files are looked at for a change that nobody has told of, where nothing else is asked for. */
const LOOK_EVERY_MS = 10_000;

export interface FollowedFilesOptions<T> {
  /** For the log, such as `the cluster certificate`. */
  what: string;
  /** What the files gave at the start. */
  initial: T;
  /** Reads them; what it throws says what is wrong with them. */
  read: () => T | Promise<T>;
  /** Differs where the files do. Never logged. */
  fingerprint: (value: T) => string;
  /** How often to look, milliseconds. */
  everyMs?: number;
  /** What a change means, for the log. */
  changed?: string;
  clock: Clock;
  log: Log;
}

/**
 * What files hold, as they are renewed while the program runs. Files that can't be used, such as a certificate whose key
 * is not there yet, change nothing: what they held before stays in use.
 */
export class FollowedFiles<T> {
  readonly #options: FollowedFilesOptions<T>;
  readonly #listeners = new Set<(value: T) => void>();
  #current: T;
  #error: string | null = null;
  readonly #looks = new FreshRuns(() => this.#look());
  #cancelTimer: () => void = () => {};
  #stopped = false;

  private constructor(options: FollowedFilesOptions<T>) {
    this.#options = options;
    this.#current = options.initial;
  }

  static start<T>(options: FollowedFilesOptions<T>): FollowedFiles<T> {
    const files = new FollowedFiles(options);
    files.#lookLater();
    return files;
  }

  get current(): T {
    return this.#current;
  }

  /** What is wrong with the files as they are now; null where they are in use. */
  get error(): string | null {
    return this.#error;
  }

  onChange(listener: (value: T) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the files now. Never rejects. */
  look(): Promise<void> {
    return this.#looks.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    await this.#looks.ended();
  }

  async #look(): Promise<void> {
    const { what, read, fingerprint, log, changed = 'what has been renewed is in use for new links' } = this.#options;
    try {
      const value = await read();
      if (this.#stopped) return;
      this.#error = null;
      if (fingerprint(value) === fingerprint(this.#current)) return;
      this.#current = value;
      log.info({ what }, changed);
      for (const listener of this.#listeners) listener(value);
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== this.#error)
        log.error({ what, reason }, 'what has been renewed can not be used; the one before stays in use');
      this.#error = reason;
    }
  }

  #lookLater(): void {
    this.#cancelTimer = this.#options.clock.after(this.#options.everyMs ?? LOOK_EVERY_MS, () => {
      void this.look().then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    });
  }
}
