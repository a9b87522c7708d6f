/** Numbers for texts, each for as long as somebody holds it: the same text in many places costs four bytes in each. */
export class Interner {
  readonly #numbers = new Map<string, number>();
  readonly #texts: Array<string | undefined> = [];
  readonly #holders: number[] = [];
  readonly #free: number[] = [];
  #characters = 0;
  /** Numbers that nobody holds any more, but that somebody may be reading yet. */
  #unfreed: number[] | undefined;

  /** How many texts are held. */
  get size(): number {
    return this.#numbers.size;
  }

  /** UTF-16 units of all texts that are held, and what each costs beside them. */
  get characters(): number {
    return this.#characters;
  }

  acquire(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#texts.length;
      this.#numbers.set(text, number);
      this.#texts[number] = text;
      this.#holders[number] = 0;
      this.#characters += costOf(text);
    }
    this.#holders[number]!++;
    return number;
  }

  release(number: number): void {
    if (--this.#holders[number]! > 0) return;
    this.#numbers.delete(this.#texts[number]!);
    this.#characters -= costOf(this.#texts[number]!);
    if (this.#unfreed) this.#unfreed.push(number);
    else this.#forget(number);
  }

  /** Of a text that is held, the part of its cost that falls to each of its holders. */
  share(number: number): number {
    return costOf(this.#texts[number]!) / this.#holders[number]!;
  }

  /** Of a number that is held, or was when `keepNumbers` began. */
  text(number: number): string {
    return this.#texts[number]!;
  }

  /** No number comes to mean another text before `work` is done. Not to be nested. */
  async keepNumbers<T>(work: () => Promise<T>): Promise<T> {
    const unfreed: number[] = [];
    this.#unfreed = unfreed;
    try {
      return await work();
    } finally {
      this.#unfreed = undefined;
      for (const number of unfreed) this.#forget(number);
    }
  }

  #forget(number: number): void {
    this.#texts[number] = undefined;
    this.#free.push(number);
  }
}

/** What a text costs beside its characters, in a map and two lists. */
const COST_OF_A_TEXT = 100;

function costOf(text: string): number {
  return text.length + COST_OF_A_TEXT;
}
