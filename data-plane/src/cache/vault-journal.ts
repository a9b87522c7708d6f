import { setImmediate } from 'node:timers/promises';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { BrokenJournal, SealedJournal } from '@vaultplane/platform/files/sealed-journal.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Entry } from './entry.ts';

/** At most one write in this time, milliseconds: with the write itself, what is served is on disk a quarter of a second later. */
export const JOURNAL_INTERVAL_MS = 100;
const RETRY_MS = 10_000;

export interface VaultJournalOptions {
  files: SealedJournal;
  /** What of these is to be on disk, in records of a bearable size; none where nothing of them is held any more. */
  encode: (entries: readonly Entry[]) => Iterable<Buffer>;
  clock: Clock;
  log: Log;
  /** For the log. */
  path: string;
}

/**
 * What secrets.cache lacks: values that were fetched since it was written. It is as big as all that is held, and written
 * at a bearable rate; here is written what rotates, and no more.
 */
export class VaultJournal {
  readonly #options: VaultJournalOptions;
  readonly #renewed = new Set<Entry>();
  #writing: Promise<void> | undefined;
  #cancelPause: (() => void) | undefined;
  /** Files follow one another's work. */
  #last: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #error: string | null = null;

  constructor(options: VaultJournalOptions) {
    this.#options = options;
  }

  /** Why the last write failed; null where it did not. */
  get error(): string | null {
    return this.#error;
  }

  /** All that it holds from a number on. @throws Error of the file system */
  read(from: number): Promise<{ records: Buffer[]; broken: BrokenJournal[] }> {
    return this.#options.files.read(from);
  }

  /** An entry holds another value than what is on disk. */
  add(entry: Entry): void {
    if (this.#stopped) return;
    this.#renewed.add(entry);
    if (!this.#writing && !this.#cancelPause) this.#write();
  }

  /** Returns when all that was added is on disk, or could not be written. Never rejects. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#renewed.size === 0) return;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#write();
    await this.#writing;
  }

  /** What is added from now on has this number or a higher one. Never rejects. */
  startNext(): Promise<number> {
    return this.#inTurn(async () => this.#options.files.startNext());
  }

  /** What has a lower number is on disk otherwise, or must not be there. Never rejects. */
  removeBefore(number: number): Promise<void> {
    return this.#inTurn(() =>
      this.#options.files.removeBefore(number).catch((error: unknown) => {
        const { log, path } = this.#options;
        log.error({ path, error: errorMessage(error) }, 'what must not be on disk any more can not be removed');
      }),
    );
  }

  async settled(): Promise<void> {
    await this.#writing;
    await this.#last;
  }

  async stop(): Promise<void> {
    await this.flush();
    this.#stopped = true;
    this.#cancelPause?.();
    await this.settled();
  }

  #write(): void {
    const { clock } = this.#options;
    this.#writing = this.#inTurn(() => this.#writeRenewed()).then((written) => {
      this.#writing = undefined;
      if (this.#stopped) return;
      this.#cancelPause = clock.after(written ? JOURNAL_INTERVAL_MS : RETRY_MS, () => {
        this.#cancelPause = undefined;
        if (this.#renewed.size > 0) this.#write();
      });
    });
  }

  /** @returns false where it failed */
  async #writeRenewed(): Promise<boolean> {
    // What was asked for together is told of one after the other.
    await setImmediate();
    const { files, encode, log, path } = this.#options;
    const entries = [...this.#renewed];
    this.#renewed.clear();
    try {
      for (const record of encode(entries)) {
        await files.append(record);
        await setImmediate();
      }
      this.#error = null;
      return true;
    } catch (error) {
      for (const entry of entries) if (!entry.dropped) this.#renewed.add(entry);
      const before = this.#error;
      this.#error = errorMessage(error);
      if (before !== this.#error) {
        log.error(
          { path, error: this.#error },
          'new values could not be written to disk at once; they are in use, but a kill would lose them',
        );
      }
      return false;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}
