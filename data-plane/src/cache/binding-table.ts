import type { ResolvedValue } from './resolved.ts';

/** Where a binding stands in the table. */
export type Slot = number;

/** What the table knows of a reference in use. */
export interface Bound {
  /** The reference and the role, as `bindingKey` makes them one text. */
  readonly key: string;
  readonly roleArn: string | undefined;
}

const FIRST_CAPACITY = 64;

/**
 * The references in use, and the answers that can be given at once to those of them that name no role. What a hit reads
 * and writes stands side by side in arrays, not in objects that are spread over the heap, and in as few bytes as will do:
 * with many references most of a lookup's time goes into memory that is not in the processor's cache.
 */
export class BindingTable<Binding extends Bound> {
  /** By key, the one that was considered last at the end. */
  readonly #slots = new Map<string, Slot>();
  /** By slot: null where the slot is free. */
  readonly #bindings: Array<Binding | null> = [];
  /** By slot: null where nothing is ready. */
  readonly #answers: Array<ResolvedValue | null> = [];
  /** By slot: the count of uses when it was last used, without what is above 32 bits. */
  #lastUses = new Uint32Array(FIRST_CAPACITY);
  /** By slot: when its answer ends, in the resolver's steady time, milliseconds; Infinity where nothing is ready. */
  #ends = new Float64Array(FIRST_CAPACITY);
  /** No answer ends before this. */
  #earliestEnd = Infinity;
  readonly #free: Slot[] = [];
  #uses = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** The answer to a reference, if one is ready; that counts as a use. Ends are not looked at: see `forgetEnded`. */
  answer(reference: string): ResolvedValue | null {
    const slot = this.#slots.get(reference);
    if (slot === undefined) return null;
    const answer = this.#answers[slot]!;
    if (answer !== null) this.#lastUses[slot] = ++this.#uses;
    return answer;
  }

  /**
   * What has ended by now is not ready any more. To be called whenever the clock was read: that is seldom beside lookups,
   * and costs nothing until an end has come, then one pass over numbers that stand side by side.
   */
  forgetEnded(now: number): void {
    if (now < this.#earliestEnd) return;
    let earliest = Infinity;
    for (let slot = 0; slot < this.#bindings.length; slot++) {
      const end = this.#ends[slot]!;
      if (end <= now) this.forget(slot);
      else if (end < earliest) earliest = end;
    }
    this.#earliestEnd = earliest;
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
    if (slot >= this.#ends.length) this.#grow();
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
   * Its answer is ready until it ends or is forgotten; for whoever names no role, so that nothing is ready for a reference
   * that was bound under one.
   */
  put(slot: Slot, answer: ResolvedValue, end: number): void {
    if (this.#bindings[slot]!.roleArn !== undefined) return;
    this.#answers[slot] = answer;
    this.#ends[slot] = end;
    this.#earliestEnd = Math.min(this.#earliestEnd, end);
  }

  forget(slot: Slot): void {
    this.#answers[slot] = null;
    this.#ends[slot] = Infinity;
  }

  /** The count of uses when it was last used; too high for what was not used for 2 ** 32 of them. */
  lastUse(slot: Slot): number {
    return this.#uses - ((this.#uses - this.#lastUses[slot]!) >>> 0);
  }

  /** It is used now, by a way other than `answer`. */
  use(slot: Slot): void {
    this.#lastUses[slot] = this.countUse();
  }

  /** The number of a use that is made now: higher than that of any before. */
  countUse(): number {
    return ++this.#uses;
  }

  #grow(): void {
    const lastUses = new Uint32Array(2 * this.#lastUses.length);
    lastUses.set(this.#lastUses);
    this.#lastUses = lastUses;
    const ends = new Float64Array(2 * this.#ends.length);
    ends.set(this.#ends);
    this.#ends = ends;
  }
}

/** Unique among references and roles: no valid reference begins as a role's ARN does. */
export function bindingKey(text: string, roleArn: string | undefined): string {
  return roleArn === undefined ? text : `${roleArn} ${text}`;
}
