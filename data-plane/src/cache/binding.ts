import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference, type Reference } from '@vaultplane/model/references/reference.ts';
import { type Address, addressOf, deliver, type Lifetimes } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { type BindingTable, bindingKey, type Slot } from './binding-table.ts';
import type { Entry, EntryUse, EntryUser } from './entry.ts';
import type { Held } from './held.ts';
import type { State } from './lifecycle.ts';
import { DecodedValue, EncodedValue, ResolvedValue } from './resolved.ts';
import { passingKeyOf, type SecretAddress, type SecretScope, scopeOf } from './secret-address.ts';
import type { Vault } from './vault-directory.ts';

const NO_OVERRIDES: VaultConfig = Object.freeze({});

/** What a reference says, and what that means in its vault: ten objects, and not kept for longer than they are needed. */
interface Meaning {
  readonly reference: Reference;
  readonly address: Address;
}

/** A reference in use, bound to the secrets that its readings name. */
export class Binding implements EntryUser {
  /** The reference, as it was asked for. */
  readonly text: string;
  readonly roleArn: string | undefined;
  watched = false;
  /** The reading that held last, 0 or 1. */
  heldReading = 0;
  #vault: Vault;
  #lifetimes: Lifetimes;
  /** Null where it is to be worked out anew: nobody asks for it while there is an answer. */
  #meaning: Meaning | null;
  /** By reading; most references have one. */
  #first: Entry | null = null;
  #second: Entry | null = null;
  readonly #table: BindingTable<Binding>;
  /** Null once it is released: a lookup that began before still has it, and the slot may be another's by then. */
  #slot: Slot | null;
  /** The last use that was considered. */
  #consideredUse = 0;

  /**
   * It is in the table until it is released.
   *
   * @param roleArn the role to ask under, in place of the vault's own
   * @throws VaultplaneError invalid_option, unsupported_version; access_denied for a role that the vault does not allow
   */
  constructor(text: string, reference: Reference, vault: Vault, table: BindingTable<Binding>, roleArn?: string) {
    this.text = text;
    this.roleArn = roleArn;
    this.#vault = vault;
    this.#meaning = this.#meaningIn(vault, reference);
    this.#lifetimes = this.#meaning.address.lifetimes;
    this.#table = table;
    this.#slot = table.add(this);
  }

  get lastUse(): number {
    return this.#slot === null ? 0 : this.#table.lastUse(this.#slot);
  }

  /** It is looked up. */
  use(): void {
    if (this.#slot !== null) this.#table.use(this.#slot);
  }

  /** Used since it was last considered for being given up, or taken for being in use. */
  get used(): boolean {
    return this.lastUse > this.#consideredUse;
  }

  /** What it was used for until now counts no more. */
  consider(): void {
    this.#consideredUse = this.lastUse;
  }

  /** Unique among the bindings of a resolver. */
  get key(): string {
    return bindingKey(this.text, this.roleArn);
  }

  get vault(): Vault {
    return this.#vault;
  }

  get lifetimes(): Lifetimes {
    return this.#lifetimes;
  }

  get readings(): Address['readings'] {
    return this.#meant.address.readings;
  }

  /**
   * The vault's configuration has changed.
   *
   * @throws VaultplaneError as the constructor
   */
  rebind(vault: Vault): void {
    this.#meaning = this.#meaningIn(vault, parseReference(this.text));
    this.#lifetimes = this.#meaning.address.lifetimes;
    this.#vault = vault;
    this.forget();
    for (const reading of READINGS) {
      const entry = this.#bound(reading);
      if (entry === null) continue;
      // Another secret now; the entry may live on for a reference that names its region itself.
      if (this.readings[reading] === undefined || passingKeyOf(this.secretAddress(reading)) !== passingKeyOf(entry)) {
        entry.removeUser(this);
        this.#setBound(reading, null);
      } else {
        entry.userChanged();
      }
    }
  }

  /** Which secret a reading names. */
  secretAddress(reading: number): SecretAddress {
    const { path, version } = this.readings[reading]!.query;
    return { scope: this.#scope(version), path };
  }

  /** The entry of a reading, if it still is in the cache. */
  entry(reading: number): Entry | null {
    const entry = this.#bound(reading);
    return entry === null || entry.dropped ? null : entry;
  }

  /** The entry of the reading that held last. */
  answering(): Entry | null {
    return this.entry(this.heldReading);
  }

  join(reading: number, entry: Entry): void {
    const bound = this.#bound(reading);
    if (bound === entry) return;
    bound?.removeUser(this);
    this.#setBound(reading, entry);
    entry.addUser(this);
  }

  scopeOf(entry: Entry): SecretScope | null {
    const reading = this.#readingOf(entry);
    return reading === undefined ? null : this.secretAddress(reading).scope;
  }

  useOf(entry: Entry): EntryUse | null {
    const reading = this.#readingOf(entry);
    if (reading === undefined) return null;
    return { reference: this.text, roleArn: this.roleArn, reading, answers: reading === this.heldReading };
  }

  /** @throws VaultplaneError key_not_found, key_not_scalar, not_json, not_base64 */
  pick(reading: number, held: Held, state: State): ResolvedValue {
    const { readings, config } = this.#meant.address;
    const { pick, text } = readings[reading]!;
    const { value, encoding } = deliver(held, pick, config);
    const Value = encoding === held.encoding ? ResolvedValue : encoding ? EncodedValue : DecodedValue;
    return new Value({
      reference: this.text,
      vault: this.#vault.prefix,
      reading: text,
      state,
      value,
      held,
      ttl: this.#lifetimes.ttl,
    });
  }

  /** A lookup ended with this, out of an entry that still holds it: the next one may have it again. */
  remember(reading: number, held: Held, resolved: ResolvedValue): void {
    this.heldReading = reading;
    const entry = this.entry(reading);
    if (entry?.held !== held || this.#slot === null) return;
    this.#table.put(this.#slot, resolved, entry.endFor(this.lifetimes, resolved.state));
    this.#meaning = null;
  }

  forget(): void {
    if (this.#slot !== null) this.#table.forget(this.#slot);
  }

  /** No longer in use, and never again. */
  release(): void {
    for (const reading of READINGS) {
      this.#bound(reading)?.removeUser(this);
      this.#setBound(reading, null);
    }
    if (this.#slot !== null) this.#table.remove(this.#slot);
    this.#slot = null;
  }

  #readingOf(entry: Entry): number | undefined {
    return READINGS.find((candidate) => this.#bound(candidate) === entry);
  }

  #bound(reading: number): Entry | null {
    return reading === 0 ? this.#first : this.#second;
  }

  #setBound(reading: number, entry: Entry | null): void {
    if (reading === 0) this.#first = entry;
    else this.#second = entry;
  }

  get #meant(): Meaning {
    this.#meaning ??= this.#meaningIn(this.#vault, parseReference(this.text));
    return this.#meaning;
  }

  #meaningIn(vault: Vault, reference: Reference): Meaning {
    if (!mayAssume(vault, this.roleArn)) {
      throw new VaultplaneError('access_denied', `vault ${vault.prefix} allows no role ${this.roleArn}`);
    }
    const { config, type } = vault;
    const address = addressOf(
      type,
      this.roleArn === undefined ? config : { ...config, ...roleConfig(this.roleArn) },
      reference,
    );
    // One text in memory in place of two.
    const [first] = address.readings;
    if (first.text === this.text) first.text = this.text;
    return { reference, address };
  }

  #scope(version: SecretScope['version']): SecretScope {
    const vault = this.#vault;
    const { reference, address } = this.#meant;
    const isPlain = this.roleArn === undefined && reference.options === undefined && reference.version === undefined;
    const known = isPlain ? plainScopes.get(vault) : undefined;
    if (known) return known;
    const regionFrom = address.regionFrom ?? vault.regionFrom;
    const overrides = this.#overrides(reference, address.config);
    const scope = scopeOf({ vault, overrides, roleArn: this.roleArn, regionFrom, version }, address.config);
    if (isPlain) plainScopes.set(vault, scope);
    return scope;
  }

  /** @param config the vault's, with the reference's options */
  #overrides({ options }: Reference, config: VaultConfig): VaultConfig {
    if (this.roleArn === undefined && options === undefined) return NO_OVERRIDES;
    const overrides: VaultConfig = roleConfig(this.roleArn);
    for (const { name, identity } of this.#vault.type.fields) {
      const value = options?.[name as keyof Reference['options']];
      if (identity && value !== undefined) overrides[name] = value;
    }
    const { ttl } = config;
    if (options?.ttl !== undefined && ttl !== undefined && ttl !== this.#vault.config.ttl) overrides.ttl = ttl;
    return overrides;
  }
}

const READINGS = [0, 1];

/** Of references that say nothing but a path. */
const plainScopes = new WeakMap<Vault, SecretScope>();

/** Whether a call may name this role for this vault; it may always name none. */
export function mayAssume({ config }: Vault, roleArn: string | undefined): boolean {
  if (roleArn === undefined) return true;
  return Array.isArray(config.allowed_role_arns) && config.allowed_role_arns.includes(roleArn);
}

function roleConfig(roleArn: string | undefined): VaultConfig {
  return roleArn === undefined ? {} : { assume_role_arn: roleArn };
}
