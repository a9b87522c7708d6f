/** What a DueQueue orders. Its fields are the queue's own. */
export interface Due {
  dueAt: number;
  /** Where it stands in the queue; -1 where it does not. */
  dueIndex: number;
}

/** A binary heap by `dueAt`: the earliest item first, each one at most once. */
export class DueQueue<T extends Due> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest item, which stays. */
  peek(): T | undefined {
    return this.#heap[0];
  }

  /** Puts an item in or moves it; Infinity takes it out. */
  set(item: T, dueAt: number): void {
    if (dueAt === Infinity) {
      this.delete(item);
      return;
    }
    item.dueAt = dueAt;
    if (item.dueIndex < 0) {
      item.dueIndex = this.#heap.length;
      this.#heap.push(item);
    }
    this.#settle(item);
  }

  delete(item: T): void {
    const index = item.dueIndex;
    item.dueAt = Infinity;
    if (index < 0) return;
    item.dueIndex = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    this.#heap[index] = last;
    last.dueIndex = index;
    this.#settle(last);
  }

  /** Every item due up to `until`, in no order. All stay. */
  dueUntil(until: number): T[] {
    const found: T[] = [];
    const visit = (index: number) => {
      const item = this.#heap[index];
      if (item === undefined || item.dueAt > until) return;
      found.push(item);
      visit(2 * index + 1);
      visit(2 * index + 2);
    };
    visit(0);
    return found;
  }

  #settle(item: T): void {
    let index = item.dueIndex;
    for (; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (this.#heap[parent]!.dueAt <= item.dueAt) break;
      this.#place(this.#heap[parent]!, index);
      index = parent;
    }
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.dueAt < this.#heap[child]!.dueAt) child++;
      if (this.#heap[child]!.dueAt >= item.dueAt) break;
      this.#place(this.#heap[child]!, index);
      index = child;
    }
    this.#place(item, index);
  }

  #place(item: T, index: number): void {
    this.#heap[index] = item;
    item.dueIndex = index;
  }
}
