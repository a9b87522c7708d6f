import type { FetchedSecret } from '@vaultplane/backends/backend.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import { type PackedFacts, packFacts, unpackFacts, type VersionFacts } from './packed-facts.ts';

/** One fetched version of a secret: its value, and what is known of that. One object: there are as many as secrets are held. */
export class Held extends SecretValue {
  /** As the vault has it. */
  readonly name: string;
  /** All else that the vault said; not the value, so that it may be kept when that is gone. */
  readonly packed: PackedFacts;

  /** @param path by which it was asked for: mostly its name, and then there once */
  constructor({ value, name, ...facts }: FetchedSecret, wallFetchedAt: number, path: string) {
    super(value.reveal(), value.encoding);
    this.name = name === path ? path : name;
    this.packed = packFacts({ ...facts, wallFetchedAt }, name);
  }

  /** Made anew each time. */
  get facts(): VersionFacts {
    return unpackFacts(this.packed, this.name);
  }
}
