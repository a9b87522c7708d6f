import type { ResolvedValue } from './resolved.ts';

/** Where a reference's answer stands in the table. */
export type Slot = number;

const FIRST_CAPACITY = 64;

/**
 * The answers that can be given at once, by the text of the reference. What a hit reads and writes stands side by side in
 * arrays, not in objects that are spread over the heap: with many references most of a lookup's time goes into memory
 * that is not in the processor's cache.
 */
export class ReadyAnswers {
  readonly #slots = new Map<string, Slot>();
  /** By slot: null where nothing is ready. */
  readonly #answers: Array<ResolvedValue | null> = [];
  /**
   * Two numbers a slot: until when the answer may be given, in the resolver's steady time, milliseconds, 0 where nothing
   * is ready; and the count of uses when it was last used.
   */
  #numbers = new Float64Array(2 * FIRST_CAPACITY);
  readonly #free: Slot[] = [];
  #uses = 0;

  /** The answer to a reference, if there is one that may be given now; that counts as a use. */
  get(reference: string, now: number): ResolvedValue | null {
    const slot = this.#slots.get(reference);
    if (slot === undefined || now >= this.#numbers[2 * slot]!) return null;
    this.#numbers[2 * slot + 1] = ++this.#uses;
    return this.#answers[slot]!;
  }

  /** A slot for a reference; without a text, one that is only asked for its uses. Whoever claims it releases it. */
  claim(reference: string | null): Slot {
    const slot = this.#free.pop() ?? this.#answers.length;
    if (2 * slot >= this.#numbers.length) this.#grow();
    this.#answers[slot] = null;
    this.#numbers[2 * slot] = 0;
    this.#numbers[2 * slot + 1] = 0;
    if (reference !== null) this.#slots.set(reference, slot);
    return slot;
  }

  release(slot: Slot, reference: string | null): void {
    this.forget(slot);
    if (reference !== null) this.#slots.delete(reference);
    this.#free.push(slot);
  }

  /** The answer may be given from now until `until`, unless it is forgotten before. */
  put(slot: Slot, answer: ResolvedValue, until: number): void {
    this.#answers[slot] = answer;
    this.#numbers[2 * slot] = until;
  }

  forget(slot: Slot): void {
    this.#answers[slot] = null;
    this.#numbers[2 * slot] = 0;
  }

  lastUse(slot: Slot): number {
    return this.#numbers[2 * slot + 1]!;
  }

  /** It is used now, by a way other than `get`. */
  use(slot: Slot): void {
    this.#numbers[2 * slot + 1] = this.countUse();
  }

  /** The number of a use that is made now: higher than that of any before. */
  countUse(): number {
    return ++this.#uses;
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#numbers.length);
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}
