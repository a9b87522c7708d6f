import { lstatSync } from 'node:fs';
import { lutimes } from 'node:fs/promises';
import { errorMessage } from '../errors.ts';
import type { Log } from '../logging/log.ts';
import type { Clock } from './clock.ts';

const EVERY_MS = 5000;

/**
 * The time, noted every few seconds as a file's mtime, for whoever reads the file at a later start: a wall clock that stands
 * before it was set back, however long ago the file was written (`elapsedSince`). It is not made sure of by fsync: what a
 * power cut takes of it is seconds. A file whose mtime is the clock's when it is written (PacedFile) needs no more.
 */
export class NotedTime {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Milliseconds since 1970. Never set back while the file is what it was: what is in it would seem younger. */
  #latest = 0;
  #noting: Promise<void> | undefined;
  #cancelTimer = () => {};

  constructor({ path, clock, log }: { path: string; clock: Clock; log: Log }) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** What the file says: milliseconds since 1970; 0 where there is none. @throws Error of the file system otherwise */
  read(): number {
    this.#latest = lstatSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return this.#latest;
  }

  /** The file has been written, with the time as it was then. */
  written(at: number): void {
    this.#latest = at;
  }

  /** Notes the time every few seconds, from now on until it is stopped. */
  start(): void {
    this.#cancelTimer = this.#clock.after(EVERY_MS, () => {
      this.#noting = this.note();
      this.start();
    });
  }

  /** Never fails: where there is no file there is nothing to note. */
  async note(): Promise<void> {
    const now = this.#clock.now();
    if (now <= this.#latest) return;
    try {
      await lutimes(this.#path, now / 1000, now / 1000);
      this.#latest = now;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#log.debug({ path: this.#path, reason: errorMessage(error) }, 'the time could not be noted');
    }
  }

  /** Waits for what is being noted. */
  async settled(): Promise<void> {
    await this.#noting;
  }

  /** Notes it once more. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    await this.#noting;
    await this.note();
  }
}
