import { systemClock } from '../time/clock.ts';
import { nonblockingWrite, type Write } from './nonblocking-write.ts';

/** Bytes kept for a reader that is slow or gone. */
const MAX_KEPT_BYTES = 512 * 1024;
/** Milliseconds between tries while nobody reads: the first, doubled up to the last. */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 50;
/** Milliseconds that an ending process waits for a reader who takes nothing: one that has failed has something to say. */
const LAST_WORDS_MS = { done: 100, failed: 1000 };
/** And for one who takes a little at a time. */
const MAX_LAST_WORDS_MS = 2000;

/**
 * What a program says of itself: log lines, warnings, its last error. Nothing waits for who reads them. Lines that can't be
 * written are kept, up to 512 KiB; further ones are dropped and counted, and a line says so once somebody reads again.
 */
export class Diagnostics {
  readonly #open: () => Write;
  #write: Write | undefined;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #dropped = 0;
  #untold = 0;
  /** When something was last written, or began to wait. */
  #progressAt = 0;
  #retryMs = FIRST_RETRY_MS;
  #retry: (() => void) | undefined;
  #tell = (dropped: number) => this.write(`${dropped} lines were dropped: nobody read them\n`);

  constructor(open: () => Write) {
    this.#open = open;
  }

  /** Lines that were dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Has `tell` write a line about those that were dropped, instead of a plain one. */
  tellBy(tell: (dropped: number) => void): void {
    this.#tell = tell;
  }

  /** Writes a line, with its end, now or as soon as somebody reads. Never waits and never throws. */
  write(line: string): void {
    if (this.#write === undefined) this.#begin();
    const bytes = Buffer.from(line);
    if (this.#kept.length > 0 && this.#keptBytes + bytes.length > MAX_KEPT_BYTES) {
      this.#drop(1);
      return;
    }
    if (this.#kept.length === 0) this.#progressAt = performance.now();
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    // While older lines wait, the timer sees to all.
    if (this.#retry === undefined) this.#flush();
  }

  #begin(): void {
    this.#write = this.#open();
    process.on('exit', (status) => this.#lastWords(status === 0 ? LAST_WORDS_MS.done : LAST_WORDS_MS.failed));
  }

  #flush(): void {
    if (this.#writeKept()) {
      this.#retryMs = FIRST_RETRY_MS;
    } else if (this.#retry === undefined) {
      this.#retry = systemClock.after(this.#retryMs, () => {
        this.#retry = undefined;
        this.#flush();
      });
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    }
  }

  /** Line by line: a pipe takes a line of up to 4 KiB whole or not at all, whoever else writes to it. @returns whether all is out */
  #writeKept(): boolean {
    let sent = 0;
    try {
      for (const line of this.#kept) {
        this.#writeLine(line, sent);
        sent++;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#kept.splice(0, sent);
        return false;
      }
      // The reader is gone, or the disk is full: these lines are lost, later ones may not be.
      this.#drop(this.#kept.length - sent);
      this.#kept = [];
      this.#keptBytes = 0;
      return true;
    }
    this.#kept = [];
    if (sent > 0 && this.#untold > 0) {
      const dropped = this.#untold;
      this.#untold = 0;
      this.#tell(dropped);
    }
    return this.#kept.length === 0;
  }

  #writeLine(line: Uint8Array, index: number): void {
    for (let rest = line; rest.length > 0; ) {
      const written = this.#write!(rest);
      rest = rest.subarray(written);
      // Where it was cut it goes on.
      this.#kept[index] = rest;
      this.#keptBytes -= written;
      this.#progressAt = performance.now();
      this.#retryMs = FIRST_RETRY_MS;
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }

  /** Nothing can run any more: it is tried until all is out, or nobody has read for so long. */
  #lastWords(patienceMs: number): void {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const end = performance.now() + MAX_LAST_WORDS_MS;
    while (!this.#writeKept()) {
      const now = performance.now();
      if (now - this.#progressAt > patienceMs || now > end) return;
      Atomics.wait(cell, 0, 0, 5);
    }
  }
}

/** This process's stderr. */
export const diagnostics = new Diagnostics(() => nonblockingWrite(2));
