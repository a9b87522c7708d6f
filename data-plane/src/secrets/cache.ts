import { DueQueue } from './due-queue.ts';
import type { Entry } from './entry.ts';
import type { SecretAddress } from './secret-address.ts';

export interface CacheLimits {
  maxEntries: number;
  maxBytes: number;
}

/** Secrets by address, the least recently used going first when there are too many or they are too big. */
export class Cache {
  readonly #limits: CacheLimits;
  readonly #onDrop: (entry: Entry) => void;
  /** By key of their scope, and then by path. */
  readonly #scopes = new Map<string, Map<string, Entry>>();
  /** By when they were last used as far as is known here: a use is only counted, and looked at when room is needed. */
  readonly #byUse = new DueQueue<'usePlace', Entry>('usePlace');
  readonly #countUse: () => number;
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

  /** From the least recently used one to the one that was used last. */
  oldestFirst(): Entry[] {
    return [...this.entries()]
      .map((entry) => ({ entry, lastUse: entry.lastUse }))
      .sort((a, b) => a.lastUse - b.lastUse)
      .map(({ entry }) => entry);
  }

  add(entry: Entry): void {
    const { scope, path } = entry;
    const entries = this.#scopes.get(scope.key) ?? new Map<string, Entry>();
    this.#scopes.set(scope.key, entries.set(path, entry));
    this.#size++;
    this.touch(entry);
    this.#byUse.set(entry, entry.lastUse);
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
    this.#byUse.delete(entry);
    this.#bytes -= entry.bytes;
    this.#onDrop(entry);
    entry.lifecycle.drop();
  }

  #evict(): void {
    // What can't go counts as used now, and so is met once in a pass.
    const before = this.#countUse();
    while (this.#size > this.#limits.maxEntries || this.#bytes > this.#limits.maxBytes) {
      const entry = this.#byUse.peek();
      const knownUse = this.#byUse.earliest;
      if (!entry || knownUse > before) return;
      const { lastUse } = entry;
      // What somebody waits for, is about to ask for or watches stays; these are bounded elsewhere.
      const isIdle = entry.flight === null && !entry.lifecycle.isUnknown && !entry.watched;
      if (lastUse > knownUse) this.#byUse.set(entry, lastUse);
      else if (isIdle) this.drop(entry);
      else {
        this.touch(entry);
        this.#byUse.set(entry, entry.lastUse);
      }
    }
  }
}
