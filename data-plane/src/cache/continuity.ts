import type { FetchedSecret } from '@vaultplane/backends/backend.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Binding } from './binding.ts';
import type { BindingTable } from './binding-table.ts';
import type { Cache } from './cache.ts';
import type { Entry, EntryUse } from './entry.ts';
import { Held } from './held.ts';
import type { Resolved } from './resolved.ts';
import { keyOf } from './secret-address.ts';
import type { SteadyTime } from './steady-time.ts';

/** A reference that somebody looked up, and the role that they named for it. */
export type NamedReference = Pick<EntryUse, 'reference' | 'roleArn'>;

/** A held secret, with all that is needed to hold it again after a restart. */
export interface KeptSecret {
  /** The entry's address, which names vault, region, endpoint, role, path and version. */
  readonly key: string;
  /** The references that it was looked up by: its lifetimes are theirs. */
  readonly users: readonly EntryUse[];
  readonly secret: FetchedSecret;
  /** Milliseconds of the resolver's steady time; may be before its beginning. */
  readonly fetchedAt: number;
  readonly wallFetchedAt: number;
  /** A fetch has failed since. */
  readonly failed: boolean;
}

export interface ContinuityOptions {
  time: SteadyTime;
  random: () => number;
  cache: Cache;
  bindings: BindingTable<Binding>;
  /** @throws VaultplaneError where the reference means nothing now */
  bind(reference: string, roleArn: string | undefined): Binding;
  entryOf(binding: Binding, reading: number): Entry;
  /** An entry holds something now, which the cache and the refresher are to take note of. */
  onRestored(entry: Entry): void;
  resolveMany(
    references: readonly string[],
    options: { refresh?: boolean; roleArn?: string | undefined },
  ): Promise<ReadonlyArray<Resolved | VaultplaneError>>;
}

/** Overdue refreshes after a restart are spread so that there are about so many a second. */
const REFRESHES_PER_SECOND = 200;
const SHORTEST_SPREAD_MS = 1000;

/** What a resolver takes over a restart: what it held, where that may be kept, and the names that were in use. */
export class Continuity {
  readonly #options: ContinuityOptions;
  #onChange: (urgent: boolean, renewed: Entry | null) => void = () => {};

  constructor(options: ContinuityOptions) {
    this.#options = options;
  }

  /** The resolver's steady time, milliseconds. */
  now(): number {
    return this.#options.time.now();
  }

  /**
   * What may have changed what is held is told to this one listener; `urgent`: something of a vault that is gone, or
   * is another one now, is held no more; `renewed` is an entry that holds another value than before.
   */
  onChange(listener: (urgent: boolean, renewed: Entry | null) => void): void {
    this.#onChange = listener;
  }

  changed({ urgent = false, renewed = null }: { urgent?: boolean; renewed?: Entry | null } = {}): void {
    this.#onChange(urgent, renewed);
  }

  /** Everything held that may be kept, the least recently used first. */
  kept(): KeptSecret[] {
    return this.keptOf(this.#options.cache.oldestFirst());
  }

  /** Those of some entries that are held and may be kept. */
  keptOf(entries: Iterable<Entry>): KeptSecret[] {
    const kept: KeptSecret[] = [];
    const now = this.now();
    for (const entry of entries) {
      const { held, scope } = entry;
      if (!held || entry.dropped || scope.vault.type.local || entry.goneAt() <= now) continue;
      const users = [...entry.users].map((user) => user.useOf(entry)).filter((use) => use !== null);
      // A value that no reference leads to any more has no lifetimes that could be read from a configuration.
      if (users.length === 0) continue;
      const { wallFetchedAt, ...facts } = held.facts;
      const secret = { value: held, name: held.name, ...facts };
      const { fetchedAt, failedSince: failed } = entry;
      kept.push({ key: keyOf(entry), users, secret, fetchedAt, wallFetchedAt, failed });
    }
    return kept;
  }

  /**
   * Holds again what was kept, as far as the configuration now leads to the same secret and its lifetimes are not over;
   * what has been fetched since stays. In the order of `kept`.
   *
   * @returns how many are held again
   */
  restore(kept: readonly KeptSecret[]): number {
    const spreadMs = Math.max(SHORTEST_SPREAD_MS, (kept.length / REFRESHES_PER_SECOND) * 1000);
    return kept.filter((secret) => this.#restoreOne(secret, spreadMs)).length;
  }

  /**
   * Fetches what is not held, and anew what is held from before a restart, so that whoever looks it up next has it at
   * once. That alone does not make a reference used. Never rejects.
   *
   * @returns in the order of the references: why one could not be had; null where it was
   */
  async prefetch(references: readonly string[], roleArn?: string): Promise<Array<VaultplaneError | null>> {
    const { resolveMany, bindings } = this.#options;
    const bound = (reference: string) => bindings.get(reference, roleArn);
    const answering = (reference: string) => bound(reference)?.answering();
    const unused = references.filter((reference) => !bound(reference)?.used);
    const found = await resolveMany(references, { roleArn });
    const old = references.filter((reference) => answering(reference)?.restored);
    if (old.length > 0) await resolveMany(old, { roleArn, refresh: true });
    for (const reference of unused) {
      bound(reference)?.consider();
    }
    return references.map((reference, index) => {
      const outcome = found[index];
      if (outcome instanceof VaultplaneError) return outcome;
      const entry = answering(reference);
      // A value from before the restart that could not be fetched anew is served, but it is not what was asked for.
      return entry?.restored ? entry.lastError : null;
    });
  }

  /** The references that were looked up, and found, since this was asked last; those that are watched always are. */
  takeUsed(): NamedReference[] {
    const used: NamedReference[] = [];
    for (const binding of this.#options.bindings.all()) {
      if (!(binding.used || binding.watched) || binding.vault.type.local) continue;
      if (!binding.answering()?.held) continue;
      binding.consider();
      used.push({ reference: binding.text, roleArn: binding.roleArn });
    }
    return used;
  }

  #restoreOne({ key, users, secret, fetchedAt, wallFetchedAt, failed }: KeptSecret, spreadMs: number): boolean {
    const { bind, entryOf, onRestored, random } = this.#options;
    let entry: Entry | null = null;
    for (const { reference, roleArn, reading, answers } of users) {
      try {
        const binding = bind(reference, roleArn);
        binding.consider();
        // Another vault, region, endpoint or role: another secret.
        if (binding.readings[reading] === undefined || keyOf(binding.secretAddress(reading)) !== key) continue;
        entry = entryOf(binding, reading);
        if (answers) binding.heldReading = reading;
      } catch {
        // The vault is gone, or does not understand the reference any more.
      }
    }
    if (!entry || entry.dropped || entry.held) return false;
    const refreshFrom = this.now() + random() * spreadMs;
    entry.restore(new Held(secret, wallFetchedAt, entry.path), fetchedAt, failed, refreshFrom, random);
    onRestored(entry);
    return !entry.dropped;
  }
}
