import { type Address, addressOf, identityOf, type Lifetimes } from '@vaultplane/shared/backends/address.ts';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { Reference } from '@vaultplane/shared/reference.ts';
import type { VaultConfig } from '@vaultplane/shared/vaults/entity.ts';
import type { Entry, EntryAddress, EntryUse, EntryUser, Held } from './entry.ts';
import type { State } from './lifecycle.ts';
import type { ReadyAnswers, Slot } from './ready-answers.ts';
import { ResolvedValue } from './resolved.ts';
import type { Vault } from './vault-directory.ts';

const NO_OVERRIDES: VaultConfig = Object.freeze({});

/** A reference in use, bound to the secrets that its readings name. */
export class Binding implements EntryUser {
  /** The reference, as it was asked for. */
  readonly text: string;
  readonly reference: Reference;
  readonly roleArn: string | undefined;
  watched = false;
  /** The reading that held last, 0 or 1. */
  heldReading = 0;
  #vault: Vault;
  #address: Address;
  readonly #entries: [Entry | null, Entry | null] = [null, null];
  readonly #ready: ReadyAnswers;
  /** Null once it is released: a lookup that began before still has it, and the slot may be another's by then. */
  #slot: Slot | null;
  /** The last use that was considered. */
  #consideredUse = 0;

  /**
   * @param roleArn the role to ask under, in place of the vault's own
   * @throws VaultplaneError invalid_option, unsupported_version; access_denied for a role that the vault does not allow
   */
  constructor(text: string, reference: Reference, vault: Vault, ready: ReadyAnswers, roleArn?: string) {
    this.text = text;
    this.reference = reference;
    this.roleArn = roleArn;
    this.#vault = vault;
    this.#address = this.#addressIn(vault);
    this.#ready = ready;
    this.#slot = ready.claim(this.#readyText);
    this.use();
  }

  get lastUse(): number {
    return this.#slot === null ? 0 : this.#ready.lastUse(this.#slot);
  }

  /** It is looked up. */
  use(): void {
    if (this.#slot !== null) this.#ready.use(this.#slot);
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
    return this.#address.lifetimes;
  }

  get readings(): Address['readings'] {
    return this.#address.readings;
  }

  /**
   * The vault's configuration has changed.
   *
   * @throws VaultplaneError as the constructor
   */
  rebind(vault: Vault): void {
    this.#address = this.#addressIn(vault);
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
      roleArn: this.roleArn,
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

  /** The entry of the reading that held last. */
  answering(): Entry | null {
    return this.entry(this.heldReading);
  }

  join(reading: number, entry: Entry): void {
    if (this.#entries[reading] === entry) return;
    this.#entries[reading]?.removeUser(this);
    this.#entries[reading] = entry;
    entry.addUser(this);
  }

  useOf(entry: Entry): EntryUse | null {
    const reading = this.#entries.indexOf(entry);
    if (reading < 0) return null;
    return { reference: this.text, roleArn: this.roleArn, reading, answers: reading === this.heldReading };
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
    const lifecycle = this.entry(reading)?.lifecycle;
    if (lifecycle?.held !== held || this.#slot === null) return;
    this.#ready.put(this.#slot, resolved, lifecycle.endOf(resolved.state, this.lifetimes));
  }

  forget(): void {
    if (this.#slot !== null) this.#ready.forget(this.#slot);
  }

  /** No longer in use, and never again. */
  release(): void {
    for (const [index, entry] of this.#entries.entries()) {
      entry?.removeUser(this);
      this.#entries[index] = null;
    }
    if (this.#slot !== null) this.#ready.release(this.#slot, this.#readyText);
    this.#slot = null;
  }

  /** Whoever names no role gets the answer by the reference alone; one for a role must not be found by any text. */
  get #readyText(): string | null {
    return this.roleArn === undefined ? this.text : null;
  }

  #addressIn(vault: Vault): Address {
    if (!mayAssume(vault, this.roleArn)) {
      throw new VaultplaneError('access_denied', `vault ${vault.prefix} allows no role ${this.roleArn}`);
    }
    const { config, type } = vault;
    const address = addressOf(
      type,
      this.roleArn === undefined ? config : { ...config, ...roleConfig(this.roleArn) },
      this.reference,
    );
    // One text in memory in place of two.
    const [first] = address.readings;
    if (first.text === this.text) first.text = this.text;
    return address;
  }

  #overrides(): VaultConfig {
    if (this.roleArn === undefined && this.reference.options === undefined) return NO_OVERRIDES;
    const overrides: VaultConfig = roleConfig(this.roleArn);
    for (const { name, identity } of this.#vault.type.fields) {
      const value = this.reference.options?.[name as keyof Reference['options']];
      if (identity && value !== undefined) overrides[name] = value;
    }
    return overrides;
  }
}

/** Unique among references and roles: no valid reference begins as a role's ARN does. */
export function bindingKey(text: string, roleArn: string | undefined): string {
  return roleArn === undefined ? text : `${roleArn} ${text}`;
}

/** Whether a call may name this role for this vault; it may always name none. */
export function mayAssume({ config }: Vault, roleArn: string | undefined): boolean {
  if (roleArn === undefined) return true;
  return Array.isArray(config.allowed_role_arns) && config.allowed_role_arns.includes(roleArn);
}

function roleConfig(roleArn: string | undefined): VaultConfig {
  return roleArn === undefined ? {} : { assume_role_arn: roleArn };
}
