/** After so many turns in a row with one item each, nothing is gathered any more: one caller asks and waits, and asks again. */
const ALONE_TURNS = 16;

/**
 * Does what one turn of the event loop has gathered at that turn's end, all in a row: first every call that came is read,
 * then every answer is written. An answer that is written while the callers wait wakes one of them up, which costs as much
 * as the answer itself; the answers behind the first find them awake. Where there is one caller only there is nothing to
 * gather, and it is answered at once.
 */
export class EndOfTurn<T> {
  readonly #each: (item: T) => void;
  #gathered: T[] = [];
  /** Turns in a row that had one item. */
  #aloneTurns = 0;
  /** Items of this turn that were not gathered. */
  #atOnce = 0;

  /** @param each must not throw */
  constructor(each: (item: T) => void) {
    this.#each = each;
  }

  add(item: T): void {
    if (this.#aloneTurns >= ALONE_TURNS) {
      if (this.#atOnce++ === 0) setImmediate(this.#look);
      this.#each(item);
      return;
    }
    if (this.#gathered.length === 0) setImmediate(this.#run);
    this.#gathered.push(item);
  }

  readonly #run = () => {
    const items = this.#gathered;
    this.#gathered = [];
    this.#aloneTurns = items.length === 1 ? this.#aloneTurns + 1 : 0;
    for (const item of items) this.#each(item);
  };

  readonly #look = () => {
    if (this.#atOnce > 1) this.#aloneTurns = 0;
    this.#atOnce = 0;
  };
}
