import type { Entry } from './entry.ts';
import type { SecretAddress } from './secret-address.ts';

export interface CacheLimits {
  maxEntries: number;
  maxBytes: number;
}

/** So many of the least recently used are found at once, or an eighth of all. */
const FEWEST_OLDEST = 64;

/** Secrets by address, the least recently used going first when there are too many or they are too big. */
export class Cache {
  readonly #limits: CacheLimits;
  readonly #onDrop: (entry: Entry) => void;
  /** By key of their scope, and then by path. */
  readonly #scopes = new Map<string, Map<string, Entry>>();
  readonly #countUse: () => number;
  /**
   * Those that were the least recently used of all when room was needed last, the next to go at the end: a use is only
   * counted, and put in order for some of them at once, when room is needed.
   */
  #oldest: Entry[] = [];
  /** The count of uses then. What was used since is not among the oldest any more. */
  #oldestAt = 0;
  #size = 0;
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
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get({ scope, path }: SecretAddress): Entry | undefined {
    return this.#scopes.get(scope.key)?.get(path);
  }

  *entries(): Iterable<Entry> {
    for (const entries of this.#scopes.values()) yield* entries.values();
  }

  /** From the least recently used one to the one that was used last; only those last used up to `until`, a count of uses. */
  oldestFirst(until = Infinity): Entry[] {
    return [...this.entries()]
      .map((entry) => ({ entry, lastUse: entry.lastUse }))
      .filter(({ lastUse }) => lastUse <= until)
      .sort((a, b) => a.lastUse - b.lastUse)
      .map(({ entry }) => entry);
  }

  add(entry: Entry): void {
    const { scope, path } = entry;
    const entries = this.#scopes.get(scope.key) ?? new Map<string, Entry>();
    this.#scopes.set(scope.key, entries.set(path, entry));
    this.#size++;
    this.touch(entry);
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
    const entries = this.#scopes.get(entry.scope.key)!;
    entries.delete(entry.path);
    if (entries.size === 0) this.#scopes.delete(entry.scope.key);
    this.#size--;
    this.#bytes -= entry.bytes;
    this.#onDrop(entry);
    entry.giveUp();
  }

  #evict(): void {
    // What can't go counts as used now, and so is met once in a pass.
    const before = this.#countUse();
    while (this.#size > this.#limits.maxEntries || this.#bytes > this.#limits.maxBytes) {
      const entry = this.#leastRecentlyUsed(before);
      if (!entry) return;
      // What somebody waits for, is about to ask for or watches stays; these are bounded elsewhere.
      const isIdle = entry.flight === null && !entry.isUnknown && !entry.watched;
      if (isIdle) this.drop(entry);
      else this.touch(entry);
    }
  }

  /** Undefined where all have been used since `before`. Each is given once, unless it is used after that. */
  #leastRecentlyUsed(before: number): Entry | undefined {
    for (;;) {
      for (let entry = this.#oldest.pop(); entry; entry = this.#oldest.pop()) {
        if (!entry.dropped && entry.lastUse <= this.#oldestAt) return entry;
      }
      const uses = Float64Array.from(this.entries(), ({ lastUse }) => lastUse).sort();
      if (uses.length === 0 || uses[0]! > before) return undefined;
      const most = uses[Math.min(uses.length, Math.max(FEWEST_OLDEST, uses.length >> 3)) - 1]!;
      this.#oldestAt = Math.min(most, before);
      this.#oldest = this.oldestFirst(this.#oldestAt).reverse();
    }
  }
}
