import { type Address, addressOf, identityOf, type Lifetimes } from '@vaultplane/shared/backends/address.ts';
import type { Reference } from '@vaultplane/shared/reference.ts';
import type { VaultConfig } from '@vaultplane/shared/vaults/entity.ts';
import type { Entry, EntryAddress, EntryUser, Held } from './entry.ts';
import type { State } from './lifecycle.ts';
import { ResolvedValue } from './resolved.ts';
import type { Vault } from './vault-directory.ts';

/** A reference in use, bound to the secrets that its readings name. */
export class Binding implements EntryUser {
  /** The reference, as it was asked for. */
  readonly text: string;
  readonly reference: Reference;
  /** Used since it was last considered for being given up. */
  used = true;
  watched = false;
  /** The reading that held last, 0 or 1. */
  heldReading = 0;
  #vault: Vault;
  #address: Address;
  readonly #entries: [Entry | null, Entry | null] = [null, null];
  #last: { held: Held; resolved: ResolvedValue } | null = null;

  /** @throws VaultplaneError invalid_option, unsupported_version */
  constructor(text: string, reference: Reference, vault: Vault) {
    this.text = text;
    this.reference = reference;
    this.#vault = vault;
    this.#address = addressOf(vault.type, vault.config, reference);
  }

  get vault(): Vault {
    return this.#vault;
  }

  get lifetimes(): Lifetimes {
    return this.#address.lifetimes;
  }

  get readings(): Address['readings'] {
    return this.#address.readings;
  }

  /**
   * The vault's configuration has changed.
   *
   * @throws VaultplaneError invalid_option, unsupported_version
   */
  rebind(vault: Vault): void {
    this.#address = addressOf(vault.type, vault.config, this.reference);
    this.#vault = vault;
    this.forget();
    for (const [reading, entry] of this.#entries.entries()) {
      if (entry === null) continue;
      // Another secret now; the entry may live on for a reference that names its region itself.
      if (this.readings[reading] === undefined || this.entryAddress(reading).key !== entry.address.key) {
        entry.removeUser(this);
        this.#entries[reading] = null;
      } else {
        entry.userChanged();
      }
    }
  }

  /** Which secret a reading names. */
  entryAddress(reading: number): EntryAddress {
    const { config, readings, regionFrom } = this.#address;
    const identity = identityOf(this.#vault.type, config);
    const { path, version } = readings[reading]!.query;
    return {
      key: JSON.stringify([this.#vault.id, identity, path, version.id ?? null, version.stage ?? null]),
      vault: this.#vault,
      overrides: this.#overrides(),
      identity,
      regionFrom: regionFrom ?? this.#vault.regionFrom,
      query: readings[reading]!.query,
    };
  }

  /** The entry of a reading, if it still is in the cache. */
  entry(reading: number): Entry | null {
    const entry = this.#entries[reading] ?? null;
    return entry === null || entry.dropped ? null : entry;
  }

  use(reading: number, entry: Entry): void {
    if (this.#entries[reading] === entry) return;
    this.#entries[reading]?.removeUser(this);
    this.#entries[reading] = entry;
    entry.addUser(this);
  }

  /** What the reading that held last stands for, if its entry may be served from as it is; makes nothing new for that. */
  hit(now: number): ResolvedValue | null {
    const entry = this.#entries[this.heldReading];
    if (!entry || entry.dropped || this.#last === null) return null;
    const { lifecycle } = entry;
    if (lifecycle.held !== this.#last.held) return null;
    const state = lifecycle.stateAt(now, this.#address.lifetimes);
    return state === this.#last.resolved.state ? this.#last.resolved : null;
  }

  /** @throws VaultplaneError key_not_found, key_not_scalar, not_json */
  pick(reading: number, held: Held, state: State): ResolvedValue {
    const { pick, text } = this.#address.readings[reading]!;
    const value = held.secret.value.pick(pick);
    return new ResolvedValue({
      reference: this.text,
      vault: this.#vault.prefix,
      reading: text,
      state,
      value,
      held,
      ttl: this.#address.lifetimes.ttl,
    });
  }

  /** A lookup ended with this, out of an entry that still holds it: the next one may have it again. */
  remember(reading: number, held: Held, resolved: ResolvedValue): void {
    this.heldReading = reading;
    if (this.entry(reading)?.lifecycle.held === held) this.#last = { held, resolved };
  }

  forget(): void {
    this.#last = null;
  }

  /** No longer in use. */
  release(): void {
    this.forget();
    for (const [index, entry] of this.#entries.entries()) {
      entry?.removeUser(this);
      this.#entries[index] = null;
    }
  }

  #overrides(): VaultConfig {
    const overrides: VaultConfig = {};
    for (const { name, identity } of this.#vault.type.fields) {
      const value = this.reference.options?.[name as keyof Reference['options']];
      if (identity && value !== undefined) overrides[name] = value;
    }
    return overrides;
  }
}
