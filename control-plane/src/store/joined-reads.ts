/**
 * Reads of what may change at any moment, by key. Whoever asks in one turn of the event loop asks by one read, which
 * begins when the turn is over: each is told what was so after it had asked.
 */
export class JoinedReads<T> {
  readonly #read: (key: string) => Promise<T>;
  /** Not begun yet. */
  readonly #coming = new Map<string, Promise<T>>();

  constructor(read: (key: string) => Promise<T>) {
    this.#read = read;
  }

  /** @throws what the read throws, to all who wait for it */
  read(key: string): Promise<T> {
    let coming = this.#coming.get(key);
    if (!coming) {
      coming = new Promise(setImmediate).then(() => {
        this.#coming.delete(key);
        return this.#read(key);
      });
      this.#coming.set(key, coming);
    }
    return coming;
  }
}
