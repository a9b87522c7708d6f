import type { Entry } from './entry.ts';

export interface CacheLimits {
  maxEntries: number;
  maxBytes: number;
}

/** Secrets by key, the least recently used going first when there are too many or they are too big. */
export class Cache {
  readonly #limits: CacheLimits;
  readonly #onDrop: (entry: Entry) => void;
  readonly #entries = new Map<string, Entry>();
  #newest: Entry | null = null;
  #oldest: Entry | null = null;
  #bytes = 0;

  /** @param onDrop told of every entry that leaves, for whatever reason, while it still holds what it held */
  constructor(limits: CacheLimits, onDrop: (entry: Entry) => void) {
    this.#limits = limits;
    this.#onDrop = onDrop;
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
  *oldestFirst(): Iterable<Entry> {
    for (let entry = this.#oldest; entry; entry = entry.newer) yield entry;
  }

  add(entry: Entry): void {
    this.#entries.set(entry.address.key, entry);
    this.#link(entry);
    this.resized(entry);
  }

  /** It was used now. */
  touch(entry: Entry): void {
    if (entry === this.#newest || entry.dropped) return;
    this.#unlink(entry);
    this.#link(entry);
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
    this.#unlink(entry);
    this.#bytes -= entry.bytes;
    this.#onDrop(entry);
    entry.lifecycle.drop();
  }

  #evict(): void {
    let candidate = this.#oldest;
    while (candidate && (this.#entries.size > this.#limits.maxEntries || this.#bytes > this.#limits.maxBytes)) {
      const next: Entry | null = candidate.newer;
      // What somebody waits for, is about to ask for or watches stays; these are bounded elsewhere.
      const isIdle = candidate.flight === null && !candidate.lifecycle.isUnknown && !candidate.watched;
      if (isIdle) this.drop(candidate);
      candidate = next;
    }
  }

  #link(entry: Entry): void {
    entry.older = this.#newest;
    entry.newer = null;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
  }

  #unlink(entry: Entry): void {
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    entry.newer = null;
    entry.older = null;
  }
}
