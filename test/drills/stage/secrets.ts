type Value = Record<string, string> | string;

interface Version {
  value: Value;
  /** When it was replaced, by performance.now; Infinity while it is the current one. */
  supersededAt: number;
}

/** Where secrets are. */
export interface SecretPlace {
  /** Where it takes time, it may fail: then the secret stays what it was. */
  put(name: string, value: Value): void | Promise<void>;
  delete(name: string): void | Promise<void>;
}

/**
 * The secrets that the emulated AWS holds, and other places, with all that they have ever been: what a lookup gave is
 * right if it is a value of this secret's, and stale for as long as it has been replaced.
 */
export class Secrets {
  /** By the name of the secret; all others are in the first place. */
  readonly #places = new Map<string, SecretPlace>();
  readonly #first: SecretPlace;
  readonly #history = new Map<string, Version[]>();
  readonly #rotations: Array<() => void> = [];

  constructor(first: SecretPlace) {
    this.#first = first;
  }

  /** Secrets of this name are there, and not in the first place. */
  keepIn(place: SecretPlace, name: string): void {
    this.#places.set(name, place);
  }

  put(name: string, value: Value): void {
    const history = this.#history.get(name) ?? [];
    this.#history.set(name, history);
    const last = history.at(-1);
    const version = { value, supersededAt: Infinity };
    const supersede = () => {
      if (last) last.supersededAt = performance.now();
    };
    // Whoever asks may have it before the place has said that it was put.
    history.push(version);
    const putting = this.#placeOf(name).put(name, value);
    if (!putting) supersede();
    else putting.then(supersede, () => history.splice(history.indexOf(version), 1));
  }

  /** Rotates a secret every `everyMs`, to what `make` gives for 1, 2, 3 …, until `stop`. */
  rotate(name: string, everyMs: number, make: (turn: number) => Value): void {
    let turn = 0;
    const next = () => this.put(name, make(++turn));
    next();
    const timer = setInterval(next, everyMs);
    this.#rotations.push(() => clearInterval(timer));
  }

  stopRotating(): void {
    for (const stop of this.#rotations.splice(0)) stop();
  }

  delete(name: string): void {
    void this.#placeOf(name).delete(name);
    const last = this.#history.get(name)?.at(-1);
    if (last) last.supersededAt = performance.now();
  }

  /** The value that its place gives now. */
  current(name: string, key?: string): string {
    return member(this.#history.get(name)!.at(-1)!.value, key);
  }

  /**
   * For how long a value had been replaced when somebody asked at `askedAt`, milliseconds; undefined where it never was
   * this secret's.
   */
  staleness(name: string, key: string | undefined, value: string, askedAt: number): number | undefined {
    const version = this.#history.get(name)?.findLast((known) => member(known.value, key) === value);
    return version && Math.max(0, askedAt - version.supersededAt);
  }

  #placeOf(name: string): SecretPlace {
    return this.#places.get(name) ?? this.#first;
  }
}

function member(value: Value, key: string | undefined): string {
  if (typeof value === 'string') return value;
  return key === undefined ? JSON.stringify(value) : (value[key] ?? '');
}
