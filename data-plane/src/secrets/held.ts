import type { FetchedSecret } from '@vaultplane/shared/backends/backend.ts';
import type { SecretValue } from '@vaultplane/shared/secret-value.ts';
import { type PackedFacts, packFacts, unpackFacts, type VersionFacts } from './packed-facts.ts';

/** One fetched version of a secret. There are as many as secrets are held. */
export class Held {
  /** Hides itself wherever it is printed. */
  readonly value: SecretValue;
  /** As the vault has it. */
  readonly name: string;
  readonly #facts: PackedFacts;

  /** @param path by which it was asked for: mostly its name, and then there once */
  constructor({ value, name, ...facts }: FetchedSecret, wallFetchedAt: number, path: string) {
    this.value = value;
    this.name = name === path ? path : name;
    this.#facts = packFacts({ ...facts, wallFetchedAt }, name);
  }

  /** Made anew each time. */
  get facts(): VersionFacts {
    return unpackFacts(this.#facts, this.name);
  }
}
