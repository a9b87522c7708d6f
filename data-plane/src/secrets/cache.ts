import { DueQueue } from './due-queue.ts';
import type { Entry, Recency } from './entry.ts';

export interface CacheLimits {
  maxEntries: number;
  maxBytes: number;
}

/** Secrets by key, the least recently used going first when there are too many or they are too big. */
export class Cache {
  readonly #limits: CacheLimits;
  readonly #onDrop: (entry: Entry) => void;
  readonly #entries = new Map<string, Entry>();
  /** By when they were last used as far as is known here: a use is only counted, and looked at when room is needed. */
  readonly #byUse = new DueQueue<Recency>();
  readonly #countUse: () => number;
  #bytes = 0;

  /**
   * @param onDrop told of every entry that leaves, for whatever reason, while it still holds what it held
   * @param countUse a number for every use of an entry, each higher than the last
   */
  constructor(limits: CacheLimits, onDrop: (entry: Entry) => void, countUse: () => number) {
    this.#limits = limits;
    this.#onDrop = onDrop;
    this.#countUse = countUse;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** From the least recently used one to the one that was used last. */
  oldestFirst(): Entry[] {
    return [...this.#entries.values()]
      .map((entry) => ({ entry, lastUse: entry.lastUse }))
      .sort((a, b) => a.lastUse - b.lastUse)
      .map(({ entry }) => entry);
  }

  add(entry: Entry): void {
    this.#entries.set(entry.address.key, entry);
    this.touch(entry);
    this.#byUse.set(entry.recency, entry.lastUse);
    this.resized(entry);
  }

  /** It was used now. */
  touch(entry: Entry): void {
    entry.lastUse = this.#countUse();
  }

  /** It holds more or less than before: counted anew, and room made. */
  resized(entry: Entry): void {
    if (entry.dropped) return;
    const bytes = entry.size();
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    this.#evict();
  }

  drop(entry: Entry): void {
    if (entry.dropped) return;
    entry.dropped = true;
    this.#entries.delete(entry.address.key);
    this.#byUse.delete(entry.recency);
    this.#bytes -= entry.bytes;
    this.#onDrop(entry);
    entry.lifecycle.drop();
  }

  #evict(): void {
    // What can't go counts as used now, and so is met once in a pass.
    const before = this.#countUse();
    while (this.#entries.size > this.#limits.maxEntries || this.#bytes > this.#limits.maxBytes) {
      const oldest = this.#byUse.peek();
      if (!oldest || oldest.dueAt > before) return;
      const { entry } = oldest;
      const { lastUse } = entry;
      // What somebody waits for, is about to ask for or watches stays; these are bounded elsewhere.
      const isIdle = entry.flight === null && !entry.lifecycle.isUnknown && !entry.watched;
      if (lastUse > oldest.dueAt) this.#byUse.set(oldest, lastUse);
      else if (isIdle) this.drop(entry);
      else {
        this.touch(entry);
        this.#byUse.set(oldest, entry.lastUse);
      }
    }
  }
}
