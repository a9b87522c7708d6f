import { type Binding, bindingKey } from './binding.ts';
import type { ResolvedValue } from './resolved.ts';

/** Where a binding stands in the table. */
export type Slot = number;

const FIRST_CAPACITY = 64;
/** Of a slot's numbers: 32 bits each. */
const LARGEST = 2 ** 32 - 1;

/**
 * The references in use, and the answers that can be given at once to those of them that name no role. What a hit reads
 * and writes stands side by side in arrays, not in objects that are spread over the heap, and in as few bytes as will do:
 * with many references most of a lookup's time goes into memory that is not in the processor's cache.
 */
export class BindingTable {
  /** By key, the one that was considered last at the end. */
  readonly #slots = new Map<string, Slot>();
  /** By slot: null where the slot is free. */
  readonly #bindings: Array<Binding | null> = [];
  /** By slot: null where nothing is ready. */
  readonly #answers: Array<ResolvedValue | null> = [];
  /**
   * Two numbers a slot: for how long after `#base` the answer may be given, whole milliseconds, 0 where nothing is ready;
   * and the count of uses when it was last used, without what is above its 32 bits.
   */
  #numbers = new Uint32Array(2 * FIRST_CAPACITY);
  readonly #free: Slot[] = [];
  /** A moment of the resolver's steady time, milliseconds. */
  #base = 0;
  #uses = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** The answer to a reference, if there is one that may be given now; that counts as a use. */
  answer(reference: string, now: number): ResolvedValue | null {
    const slot = this.#slots.get(reference);
    if (slot === undefined || now - this.#base >= this.#numbers[2 * slot]!) return null;
    this.#numbers[2 * slot + 1] = ++this.#uses;
    return this.#answers[slot]!;
  }

  get(reference: string, roleArn: string | undefined): Binding | undefined {
    const slot = this.#slots.get(bindingKey(reference, roleArn));
    const binding = slot === undefined ? undefined : this.#bindings[slot]!;
    // No text that somebody asks for is one with a role.
    return binding?.roleArn === roleArn ? binding : undefined;
  }

  /** From the one that was added, or moved to the end, the longest ago. */
  *all(): Iterable<Binding> {
    for (const slot of this.#slots.values()) yield this.#bindings[slot]!;
  }

  /** Its place, for as long as it is not removed. */
  add(binding: Binding): Slot {
    const slot = this.#free.pop() ?? this.#bindings.length;
    if (2 * slot >= this.#numbers.length) this.#grow();
    this.#bindings[slot] = binding;
    this.forget(slot);
    this.use(slot);
    this.#slots.set(binding.key, slot);
    return slot;
  }

  moveToEnd(binding: Binding): void {
    const slot = this.#slots.get(binding.key)!;
    this.#slots.delete(binding.key);
    this.#slots.set(binding.key, slot);
  }

  remove(slot: Slot): void {
    this.#slots.delete(this.#bindings[slot]!.key);
    this.#bindings[slot] = null;
    this.forget(slot);
    this.#free.push(slot);
  }

  /**
   * Its answer may be given from now until `until`, unless it is forgotten before; to whoever names no role, so that
   * nothing is ready for a reference that was bound under one.
   */
  put(slot: Slot, answer: ResolvedValue, now: number, until: number): void {
    if (this.#bindings[slot]!.roleArn !== undefined) return;
    // About every 24 days all answers are made anew, before their numbers are too small to tell of now.
    if (now - this.#base > LARGEST / 2) this.#rebase(now);
    this.#answers[slot] = answer;
    this.#numbers[2 * slot] = Math.min(LARGEST, until - this.#base);
  }

  forget(slot: Slot): void {
    this.#answers[slot] = null;
    this.#numbers[2 * slot] = 0;
  }

  /** The count of uses when it was last used; too high for what was not used for 2 ** 32 of them. */
  lastUse(slot: Slot): number {
    return this.#uses - ((this.#uses - this.#numbers[2 * slot + 1]!) >>> 0);
  }

  /** It is used now, by a way other than `answer`. */
  use(slot: Slot): void {
    this.#numbers[2 * slot + 1] = this.countUse();
  }

  /** The number of a use that is made now: higher than that of any before. */
  countUse(): number {
    return ++this.#uses;
  }

  #rebase(now: number): void {
    this.#base = now;
    for (let slot = 0; slot < this.#bindings.length; slot++) this.forget(slot);
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#numbers.length);
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}
