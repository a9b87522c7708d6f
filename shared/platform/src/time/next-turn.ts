/** A stretch of work that holds up the event loop no longer than this: several may follow one another in one turn. */
const MAX_STRETCH_MS = 15;

/**
 * The next turn of the event loop. Long work waits for it between its parts, so that whoever else waits gets a turn: an
 * await alone does not let timers and sockets in.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Work that goes on for long, and gives others a turn whenever a stretch of it has. */
export class LongWork {
  #stretchBegan = performance.now();

  /** Whether others have waited long enough. Asked after each small part of the work. */
  get isTurnDue(): boolean {
    return performance.now() - this.#stretchBegan >= MAX_STRETCH_MS;
  }

  async giveTurn(): Promise<void> {
    await nextTurn();
    this.#stretchBegan = performance.now();
  }
}

/** What `map` makes of each item, in order, as `LongWork`. */
export async function mapInTurns<T, R>(items: Iterable<T>, map: (item: T) => R): Promise<R[]> {
  const work = new LongWork();
  const made: R[] = [];
  for (const item of items) {
    made.push(map(item));
    if (work.isTurnDue) await work.giveTurn();
  }
  return made;
}
