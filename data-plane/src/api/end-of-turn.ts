/**
 * Does what one turn of the event loop has gathered at that turn's end, all in a row: first every call that came is read,
 * then every answer is written. An answer that is written while the callers wait wakes one of them up, which costs as much
 * as the answer itself; the answers behind the first find them awake.
 */
export class EndOfTurn<T> {
  readonly #each: (item: T) => void;
  #gathered: T[] = [];

  /** @param each must not throw */
  constructor(each: (item: T) => void) {
    this.#each = each;
  }

  add(item: T): void {
    if (this.#gathered.length === 0) setImmediate(this.#run);
    this.#gathered.push(item);
  }

  readonly #run = () => {
    const items = this.#gathered;
    this.#gathered = [];
    for (const item of items) this.#each(item);
  };
}
