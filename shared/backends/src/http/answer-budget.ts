import { BackendError } from '@vaultplane/model/errors/backend-error.ts';

/** Bytes of all answers of vaults that one program is reading at the same time. */
const MAX_BYTES_UNDER_WAY = 64 * 1024 * 1024;

/** One answer that is being read. */
export interface AnswerShare {
  /** Counts bytes that have arrived. May refuse this answer, or another one. */
  add(bytes: number): void;
  /** The answer has been read, or given up. */
  end(): void;
}

interface OpenAnswer {
  bytes: number;
  destination: string;
  refuse: (error: BackendError) => void;
}

/**
 * Bounds what all answers under way take together. When they take too much, the largest answer of the destination that
 * takes most is refused: a server that sends too much gets no more of its answers through, and starves no other server.
 */
export class AnswerBudget {
  readonly #maxBytes: number;
  readonly #open = new Set<OpenAnswer>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES_UNDER_WAY) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param destination whose answer it is, HOST:PORT
   * @param refuse is called at most once, by any answer's `add`; the share has ended by then
   */
  open(destination: string, refuse: (error: BackendError) => void): AnswerShare {
    const answer = { bytes: 0, destination, refuse };
    this.#open.add(answer);
    return {
      add: (bytes) => {
        if (!this.#open.has(answer)) return;
        answer.bytes += bytes;
        this.#bytes += bytes;
        while (this.#bytes > this.#maxBytes) this.#refuseLargest();
      },
      end: () => this.#end(answer),
    };
  }

  #refuseLargest(): void {
    const sums = new Map<string, number>();
    for (const { destination, bytes } of this.#open) sums.set(destination, (sums.get(destination) ?? 0) + bytes);
    const [most] = [...sums].reduce((a, b) => (b[1] > a[1] ? b : a));
    const largest = [...this.#open]
      .filter(({ destination }) => destination === most)
      .reduce((a, b) => (b.bytes > a.bytes ? b : a));
    this.#end(largest);
    largest.refuse(
      new BackendError('unavailable', `answers of vaults under way are larger than ${this.#maxBytes} bytes together`),
    );
  }

  #end(answer: OpenAnswer): void {
    if (this.#open.delete(answer)) this.#bytes -= answer.bytes;
  }
}

/** Of all vaults of this program. */
export const answerBudget = new AnswerBudget();
