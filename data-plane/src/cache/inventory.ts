import { printReference, type ReferenceOptions } from '@vaultplane/model/references/reference.ts';
import { referenceVersion } from '@vaultplane/model/vaults/vault-type.ts';
import type { Entry } from './entry.ts';
import type { State } from './lifecycle.ts';
import { type PackedFacts, unpackFacts } from './packed-facts.ts';
import { passingKeyOf } from './secret-address.ts';

/** What is known of one secret, for people and for the fleet's registry: everything but its value. */
export interface HeldSecret {
  /** Unique among all that is held, and the same for as long as it is. */
  readonly key: string;
  /** The vault's prefix. */
  readonly vault: string;
  readonly state: State | 'negative';
  /** Null where the vault has no versions, or nothing is held. */
  readonly versionId: string | null;
  /** Milliseconds since 1970; null where nothing is held. */
  readonly fetchedAt: number | null;
  /** Milliseconds until it is served no more; Infinity where it has no end. */
  readonly endsInMs: number;
  /** The whole secret's reference. */
  readonly reference: string;
}

/** Every secret that is held, or known to be missing. */
export function* inventoryOf(entries: Iterable<Entry>, now: number): Iterable<HeldSecret> {
  for (const entry of entries) {
    const state = entry.stateAt(now);
    if (state !== null) yield new HeldEntry(entry, state, now);
  }
}

/** What most readers do not look at, or have seen before, is worked out when it is asked for; the value is not kept here. */
class HeldEntry implements HeldSecret {
  readonly state: State | 'negative';
  readonly #entry: Entry;
  readonly #packed: PackedFacts | null;
  readonly #now: number;

  constructor(entry: Entry, state: State | 'negative', now: number) {
    this.state = state;
    this.#entry = entry;
    this.#packed = state === 'negative' ? null : entry.held!.packed;
    this.#now = now;
  }

  get key(): string {
    return passingKeyOf(this.#entry);
  }

  get vault(): string {
    return this.#entry.scope.vault.prefix;
  }

  get versionId(): string | null {
    return this.#packed === null ? null : unpackFacts(this.#packed, this.#entry.path).version.id;
  }

  get fetchedAt(): number | null {
    return this.#packed === null ? null : unpackFacts(this.#packed, this.#entry.path).wallFetchedAt;
  }

  get endsInMs(): number {
    return this.#entry.goneAt() - this.#now;
  }

  get reference(): string {
    return referenceOf(this.#entry);
  }
}

function referenceOf({ scope, path }: Entry): string {
  const { vault, overrides, version: selected, roleArn } = scope;
  const options: ReferenceOptions = {};
  for (const name of vault.type.referenceOptions) {
    const value = overrides[name];
    if (value !== undefined) options[name] = String(value);
  }
  const { version, options: versionOptions } = referenceVersion(vault.type, selected);
  const text = printReference({
    vault: vault.prefix,
    path,
    options: { ...options, ...versionOptions },
    ...(version !== undefined && { version }),
  });
  // No reference can name a role, and under it another secret may be meant.
  return roleArn === undefined ? text : `${text} as ${roleArn}`;
}
