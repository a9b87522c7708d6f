/** A binary heap by when items are due: the earliest first, each one at most once. */
export class DueQueue<Place extends PropertyKey, T extends Record<Place, number>> {
  readonly #place: Place;
  readonly #heap: T[] = [];
  /** When they are due, in the order of the heap: numbers side by side, and not an object each. */
  #dueAts = new Float64Array(64);

  /** @param place the member of an item that is this queue's own: where the item stands; -1 where it does not */
  constructor(place: Place) {
    this.#place = place;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest item, which stays. */
  peek(): T | undefined {
    return this.#heap[0];
  }

  /** When the earliest item is due; Infinity where there is none. */
  get earliest(): number {
    return this.#heap.length === 0 ? Infinity : this.#dueAts[0]!;
  }

  /** Infinity for what is not in it. */
  dueAt(item: T): number {
    const index: number = item[this.#place];
    return index < 0 ? Infinity : this.#dueAts[index]!;
  }

  /** Puts an item in or moves it; Infinity takes it out. */
  set(item: T, dueAt: number): void {
    if (dueAt === Infinity) {
      this.delete(item);
      return;
    }
    let index: number = item[this.#place];
    if (index < 0) {
      index = this.#heap.length;
      this.#heap.push(item);
      if (index >= this.#dueAts.length) this.#grow();
    }
    this.#settle(item, dueAt, index);
  }

  delete(item: T): void {
    const index: number = item[this.#place];
    if (index < 0) return;
    this.#put(item, -1);
    const last = this.#heap.pop()!;
    if (last !== item) this.#settle(last, this.#dueAts[this.#heap.length]!, index);
  }

  /** Every item due up to `until`, in no order. All stay. */
  dueUntil(until: number): T[] {
    const found: T[] = [];
    const visit = (index: number) => {
      if (index >= this.#heap.length || this.#dueAts[index]! > until) return;
      found.push(this.#heap[index]!);
      visit(2 * index + 1);
      visit(2 * index + 2);
    };
    visit(0);
    return found;
  }

  /** Finds the place of an item, beginning at one that is free for it. */
  #settle(item: T, dueAt: number, free: number): void {
    const dueAts = this.#dueAts;
    let index = free;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (dueAts[parent]! <= dueAt) break;
      this.#move(parent, index);
      index = parent;
    }
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && dueAts[child + 1]! < dueAts[child]!) child++;
      if (dueAts[child]! >= dueAt) break;
      this.#move(child, index);
      index = child;
    }
    this.#heap[index] = item;
    dueAts[index] = dueAt;
    this.#put(item, index);
  }

  #move(from: number, to: number): void {
    const item = this.#heap[from]!;
    this.#heap[to] = item;
    this.#dueAts[to] = this.#dueAts[from]!;
    this.#put(item, to);
  }

  #put(item: T, index: number): void {
    (item as Record<Place, number>)[this.#place] = index;
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#dueAts.length);
    larger.set(this.#dueAts);
    this.#dueAts = larger;
  }
}
