import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { Resolved, Resolver } from '../secrets/resolver.ts';

/** So many lookups may wait for a vault at once; more would only pile up. A value in memory is given regardless. */
const MOST_WAITING = 10_000;

export interface LookupOptions {
  refresh?: boolean;
}

/** The resolver as applications reach it: counted, and with a bound on how many lookups may wait. */
export class Lookups {
  readonly #resolver: Resolver;
  #waiting = 0;
  #immediate = 0;
  #waited = 0;
  readonly #errors = new Map<string, number>();

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /** Lookups so far: from memory at once, after waiting for a vault, and failed, by code. */
  counts(): { immediate: number; waited: number; waiting: number; errors: ReadonlyMap<string, number> } {
    return { immediate: this.#immediate, waited: this.#waited, waiting: this.#waiting, errors: this.#errors };
  }

  /** @throws VaultplaneError too_many, and what the resolver throws */
  one(reference: string, options: LookupOptions): Resolved | Promise<Resolved> {
    let result: Resolved | Promise<Resolved>;
    try {
      result = this.#resolver.resolve(reference, options);
    } catch (error) {
      this.#count(error);
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#immediate++;
      return result;
    }
    return this.#wait(result);
  }

  async many(references: string[], options: LookupOptions): Promise<Array<Resolved | VaultplaneError>> {
    const results = await this.#wait(this.#resolver.resolveMany(references, options));
    for (const result of results) if (result instanceof VaultplaneError) this.#count(result);
    return results;
  }

  async #wait<T>(result: Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING) {
      // Its end is of no interest any more, and must not become an unhandled rejection.
      result.catch(() => {});
      const error = new VaultplaneError('too_many', 'too many lookups are waiting for a vault');
      this.#count(error);
      throw error;
    }
    this.#waiting++;
    try {
      const value = await result;
      this.#waited++;
      return value;
    } catch (error) {
      this.#count(error);
      throw error;
    } finally {
      this.#waiting--;
    }
  }

  #count(error: unknown): void {
    const code = error instanceof VaultplaneError ? error.code : 'internal';
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }
}
