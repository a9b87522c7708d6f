/**
 * Memory that many share, each as much as it needs, up to a sum. When the sum is more, whoever holds most is told to give it
 * up, and counts no more: it is never the many small ones that pay for a large one.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  readonly #shares = new Set<MemoryShare>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all hold together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param exceeded called once, when this share was the largest of too many bytes; it is closed by then */
  open(exceeded: () => void): MemoryShare {
    const share = new MemoryShare(exceeded, (change) => {
      this.#bytes += change;
      if (share.closed) this.#shares.delete(share);
      if (change > 0) this.#shed();
    });
    this.#shares.add(share);
    return share;
  }

  #shed(): void {
    while (this.#bytes > this.#maxBytes) {
      let largest: MemoryShare | undefined;
      for (const share of this.#shares) if (!largest || share.bytes > largest.bytes) largest = share;
      if (!largest) return;
      largest.close();
      largest.exceeded();
    }
  }
}

/** What one of them holds. */
export class MemoryShare {
  readonly exceeded: () => void;
  readonly #changed: (bytes: number) => void;
  #bytes = 0;
  #closed = false;

  /** Use MemoryBudget.open. */
  constructor(exceeded: () => void, changed: (bytes: number) => void) {
    this.exceeded = exceeded;
    this.#changed = changed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** It holds so many bytes from now on. */
  set(bytes: number): void {
    if (this.#closed || bytes === this.#bytes) return;
    const change = bytes - this.#bytes;
    this.#bytes = bytes;
    this.#changed(change);
  }

  /** It holds nothing any more, and never will. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const change = -this.#bytes;
    this.#bytes = 0;
    this.#changed(change);
  }
}
