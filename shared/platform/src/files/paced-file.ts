import { errorMessage } from '../errors.ts';
import type { Log } from '../logging/log.ts';
import type { Clock } from '../time/clock.ts';
import { type Content, removeDurably, writeDurably } from './durable-file.ts';

const RETRY_MS = 10_000;

export interface PacedFileOptions {
  path: string;
  clock: Clock;
  log: Log;
  /** At most one write in this time, milliseconds: a burst of changes costs the disk one write, of the newest. */
  intervalMs: number;
  /**
   * Lengthens the interval for a big file, so that what is written in the long run stays below so many bytes a second.
   * Not set: no more than `intervalMs` bounds it.
   */
  bytesPerSecond?: number;
  /** What a failed write means, for the log. */
  failure: string;
}

/**
 * What a file is to hold: made when it is written, so that a burst of changes makes it once. Null: there is nothing to
 * write. `superseded` says that something newer has to reach the disk, so that this need not be finished.
 */
export type ContentMaker = (superseded: () => boolean) => Promise<Content | null> | Content | null;

interface Saved {
  make: ContentMaker;
  onWritten: (() => void) | undefined;
  onRemoved: (() => Promise<void>) | undefined;
}

/**
 * Writes the newest content of one file, and no other, durably and not too often; a write that fails is tried again. The
 * file's mtime is of the same clock.
 */
export class PacedFile {
  readonly #options: PacedFileOptions;
  #pending: Saved | undefined;
  #urgent = false;
  #writing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;
  #error: string | null = null;

  constructor(options: PacedFileOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Why the last write failed; null where it did not. */
  get error(): string | null {
    return this.#error;
  }

  /**
   * Puts content down to be written soon, in place of what is not written yet.
   *
   * @param options.urgent at once: what is on disk now must not stay there. Where it can't be written (a full disk),
   *   the old file is removed: nothing is better than what must not be.
   * @param options.onRemoved called when it has been
   */
  save(
    make: ContentMaker,
    {
      urgent = false,
      onWritten,
      onRemoved,
    }: { urgent?: boolean; onWritten?: () => void; onRemoved?: () => Promise<void> } = {},
  ): void {
    if (this.#stopped) return;
    this.#pending = { make, onWritten, onRemoved };
    if (urgent) {
      this.#urgent = true;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    }
    if (!this.#writing && !this.#cancelTimer) this.#write();
  }

  /** Waits until nothing is being written, nor has to be at once. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Writes what is still to be written, and no more after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#pending) this.#write();
    await this.#writing;
  }

  #write(): void {
    const saved = this.#pending;
    this.#cancelTimer = undefined;
    if (!saved) return;
    const urgent = this.#urgent;
    this.#pending = undefined;
    this.#urgent = false;
    const { clock, intervalMs } = this.#options;
    const ended = (pauseMs: number) => {
      this.#writing = undefined;
      if (this.#stopped) return;
      // Where nothing was written there is nothing to pause for.
      if (this.#urgent || (pauseMs === 0 && this.#pending)) this.#write();
      else if (pauseMs > 0) this.#cancelTimer = clock.after(pauseMs, () => this.#write());
    };
    this.#writing = this.#writeOnce(saved.make).then(
      (bytes) => {
        if (bytes === null) return ended(0);
        this.#error = null;
        saved.onWritten?.();
        const { bytesPerSecond } = this.#options;
        const fair = bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1000;
        ended(Math.max(intervalMs, fair));
      },
      async (error: unknown) => {
        this.#failed(error);
        this.#pending ??= saved;
        if (urgent) {
          await this.#removeOld();
          await saved.onRemoved?.();
        }
        ended(RETRY_MS);
      },
    );
  }

  /** The bytes written; null where there was nothing to write, or something newer to write instead. */
  async #writeOnce(make: ContentMaker): Promise<number | null> {
    const superseded = () => this.#urgent;
    const content = await make(superseded);
    if (content === null) return null;
    const { path, clock } = this.#options;
    const written = await writeDurably(path, content, { unless: superseded, modified: clock.now() });
    return written ? bytesOf(content) : null;
  }

  async #removeOld(): Promise<void> {
    const { path, log } = this.#options;
    try {
      if (await removeDurably(path)) log.warn({ path }, 'what could not be written anew has been removed');
    } catch (error) {
      log.error({ path, error: errorMessage(error) }, 'what must not be on disk any more can not be removed');
    }
  }

  #failed(error: unknown): void {
    const { path, log, failure } = this.#options;
    const before = this.#error;
    this.#error = errorMessage(error);
    // Tried again and again: said once for as long as it is the same.
    if (before !== this.#error) log.error({ path, error: this.#error }, failure);
  }
}

function bytesOf(content: Content): number {
  if (typeof content === 'string') return Buffer.byteLength(content);
  if (content instanceof Uint8Array) return content.byteLength;
  let bytes = 0;
  for (const chunk of content) bytes += chunk.byteLength;
  return bytes;
}
