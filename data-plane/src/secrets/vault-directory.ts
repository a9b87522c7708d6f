import { identityOf, type Lifetimes, lifetimesOf } from '@vaultplane/shared/backends/address.ts';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { ConfigDefaults } from '@vaultplane/shared/protocol.ts';
import type { Snapshot } from '@vaultplane/shared/snapshot.ts';
import { destinationChanges } from '@vaultplane/shared/vaults/destination.ts';
import type { VaultConfig } from '@vaultplane/shared/vaults/entity.ts';
import { fits } from '@vaultplane/shared/vaults/field-value.ts';
import { isCredentialReference, isWithheld } from '@vaultplane/shared/vaults/sensitive.ts';
import { type VaultSettings, vaultConfigOf, vaultSettingKey } from '@vaultplane/shared/vaults/vault-settings.ts';
import { type ConfigField, faultsOf, type VaultType, withDefaults } from '@vaultplane/shared/vaults/vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from '@vaultplane/shared/vaults/vault-types.ts';

/** One vault as references see it; immutable, and the same object for as long as its configuration is the same. */
export interface Vault {
  /** The entity's id; of a vault of the settings, its name. */
  readonly id: string;
  readonly prefix: string;
  readonly type: VaultType;
  /** With its type's defaults, and the region that applies. */
  readonly config: VaultConfig;
  readonly regionFrom: string | undefined;
  readonly lifetimes: Lifetimes;
}

export interface RejectedVault {
  prefix: string;
  reason: string;
}

/** Every vault that references may name: those of the settings and those of the snapshot. */
export class VaultDirectory {
  readonly #settings: VaultSettings;
  #vaults = new Map<string, Vault>();
  #rejected: RejectedVault[] = [];
  #hasSnapshot = false;

  constructor(settings: VaultSettings) {
    this.#settings = settings;
    this.configure(null, {});
  }

  /** Vaults that this build can't use, and why. */
  get rejected(): readonly RejectedVault[] {
    return this.#rejected;
  }

  /** @throws VaultplaneError unknown_vault, or not_ready while there is no snapshot that could name it */
  get(prefix: string): Vault {
    const vault = this.#vaults.get(prefix);
    if (vault) return vault;
    if (!this.#hasSnapshot && !RESERVED_PREFIXES.includes(prefix)) {
      throw new VaultplaneError('not_ready', `there is no configuration yet that could have a vault ${prefix}`);
    }
    const rejected = this.#rejected.find((candidate) => candidate.prefix === prefix);
    throw new VaultplaneError(
      'unknown_vault',
      rejected ? `the vault ${prefix} can't be used: ${rejected.reason}` : absenceOf(prefix),
    );
  }

  find(prefix: string): Vault | undefined {
    return this.#vaults.get(prefix);
  }

  /** The vault of this id as it is configured now; the given one where it is no more. */
  current(vault: Vault): Vault {
    const now = this.#vaults.get(vault.prefix);
    if (now?.id === vault.id) return now;
    for (const candidate of this.#vaults.values()) if (candidate.id === vault.id) return candidate;
    return vault;
  }

  all(): Iterable<Vault> {
    return this.#vaults.values();
  }

  /** @returns whether a vault has gone, means other secrets now, or allows other roles: what was had by it may not be kept */
  configure(snapshot: Snapshot | null, defaults: ConfigDefaults): boolean {
    const before = this.#vaults;
    this.#vaults = new Map();
    this.#rejected = [];
    this.#hasSnapshot = snapshot !== null;
    for (const type of VAULT_TYPES.values()) {
      const config = vaultConfigOf(type, this.#settings);
      if (!type.ambient && Object.keys(config).length === 0) continue;
      for (const { name, fleetDefault } of type.fields) {
        // It has a source of its own, which is named.
        if (fleetDefault) delete config[name];
      }
      this.#add(before, { id: type.name, prefix: type.name, config }, type, defaults);
    }
    for (const { id, prefix, name, config } of snapshot?.vaults ?? []) {
      const type = VAULT_TYPES.get(name);
      const fault = RESERVED_PREFIXES.includes(prefix)
        ? 'its prefix is the name of a vault type'
        : type
          ? faultOf(type, config)
          : `this build has no vaults of type ${name}`;
      if (type && !fault) this.#add(before, { id, prefix, config }, type, defaults);
      else this.#rejected.push({ prefix, reason: fault ?? '' });
    }
    return [...before.values()].some((vault) => !meansTheSame(vault, this.#vaults.get(vault.prefix)));
  }

  #add(
    before: ReadonlyMap<string, Vault>,
    entity: { id: string; prefix: string; config: VaultConfig },
    type: VaultType,
    defaults: ConfigDefaults,
  ): void {
    const config = withDefaults(type, entity.config);
    const field = type.fields.find(({ fleetDefault }) => fleetDefault);
    const regionFrom = field && this.#fillIn(config, type, field, defaults);
    const old = before.get(entity.prefix);
    if (old?.id === entity.id) keepWithheld(type, config, old);
    const vault = { ...entity, type, config, regionFrom, lifetimes: lifetimesOf(config) };
    const unchanged =
      old &&
      old.id === vault.id &&
      old.type === type &&
      old.regionFrom === regionFrom &&
      JSON.stringify(old.config) === JSON.stringify(config);
    this.#vaults.set(entity.prefix, unchanged ? old : vault);
  }

  /** The order of CONTRACT.md §2 and §3 behind an entity's own region; behind these come AWS's own settings. */
  #fillIn(config: VaultConfig, type: VaultType, field: ConfigField, defaults: ConfigDefaults): string | undefined {
    const { name } = field;
    if (config[name] !== undefined) return `the vault's ${name}`;
    const key = vaultSettingKey(type, field);
    const candidates = [
      [this.#settings[key], key],
      [defaults[key], `the control plane's ${key}`],
    ] as const;
    for (const [value, from] of candidates) {
      if (value === undefined) continue;
      config[name] = value;
      return from;
    }
    return undefined;
  }
}

/**
 * A credential that the control plane can't decrypt any more is still the one that is held, for the same vault and destination
 * (a key that an operator has lost takes no vault from a running data plane).
 */
function keepWithheld(type: VaultType, config: VaultConfig, old: Vault): void {
  if (destinationChanges({ name: old.type.name, config: old.config }, { name: type.name, config }).length > 0) return;
  for (const { name, sensitive } of type.fields) {
    const held = old.config[name];
    if (sensitive && isWithheld(config[name]) && held !== undefined) config[name] = held;
  }
}

function absenceOf(prefix: string): string {
  const isUnset = VAULT_TYPES.has(prefix) ? `: no setting vault_${prefix}_… configures it` : '';
  return `there is no vault ${prefix}${isUnset}`;
}

function meansTheSame(before: Vault, now: Vault | undefined): boolean {
  if (now === before) return true;
  if (!now || now.id !== before.id || now.type !== before.type) return false;
  const { type } = now;
  const granted = ({ config }: Vault) =>
    JSON.stringify(type.fields.filter(({ grants }) => grants).map(({ name }) => config[name]));
  return identityOf(type, now.config) === identityOf(type, before.config) && granted(now) === granted(before);
}

/** What this build can't use of a configuration that the control plane accepted; undefined where it can use all. */
function faultOf(type: VaultType, config: VaultConfig): string | undefined {
  for (const [name, value] of Object.entries(config)) {
    const field = type.fields.find((candidate) => candidate.name === name);
    // What is not known can't be passed over: it may say where credentials go.
    if (!field) return `this build does not know config.${name} of vaults of type ${type.name}`;
    if (field.sensitive && (isCredentialReference(value) || isWithheld(value))) continue;
    if (!fits(field, value)) return `config.${name} is not one that this build can use`;
  }
  const [fault] = Object.entries(faultsOf(type, config));
  return fault && `config.${fault[0]}: ${fault[1]}`;
}
