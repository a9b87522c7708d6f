/**
 * Reads of what may change at any moment, by key. Whoever asks in one turn of the event loop asks by one read, which
 * begins when the turn is over: each is told what was so after it had asked. Where nobody but this process can change it,
 * what was read is known until whoever changes it says so.
 */
export class JoinedReads<T> {
  readonly #read: (key: string) => Promise<T>;
  readonly #most: number;
  /** Not begun yet. */
  readonly #coming = new Map<string, Promise<T>>();
  /** Anew at each change. */
  #known = new Map<string, T>();

  /** @param remember how many keys at most are known without being read; 0 where others may change them */
  constructor(read: (key: string) => Promise<T>, remember = 0) {
    this.#read = read;
    this.#most = remember;
  }

  /** @throws what the read throws, to all who wait for it */
  read(key: string): Promise<T> {
    if (this.#known.has(key)) return Promise.resolve(this.#known.get(key)!);
    let coming = this.#coming.get(key);
    if (!coming) {
      coming = new Promise(setImmediate).then(() => {
        this.#coming.delete(key);
        return this.#readNow(key);
      });
      this.#coming.set(key, coming);
    }
    return coming;
  }

  /** What was known may be otherwise now: called when a change is done, and when it may have been done. */
  changed(): void {
    this.#known = new Map();
  }

  async #readNow(key: string): Promise<T> {
    const known = this.#known;
    const value = await this.#read(key);
    // Of a change meanwhile nobody can say whether it was read before or behind it. Keys that lead to nothing are endless.
    if (known === this.#known && value !== undefined && known.size < this.#most) known.set(key, value);
    return value;
  }
}
