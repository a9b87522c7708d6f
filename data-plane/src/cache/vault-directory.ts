import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { ConfigDefaults } from '@vaultplane/model/protocol/protocol.ts';
import type { Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { Origin } from '@vaultplane/model/upstream-policy/guard.ts';
import { DEFAULT_POLICY, type UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import type { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { verdictOf } from '@vaultplane/model/upstream-policy/verdict.ts';
import { identityOf, type Lifetimes, lifetimesOf } from '@vaultplane/model/vaults/address.ts';
import { isCredentialReference } from '@vaultplane/model/vaults/credential-elsewhere.ts';
import { destinationChanges } from '@vaultplane/model/vaults/destination.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { fits } from '@vaultplane/model/vaults/field-value.ts';
import { isWithheld } from '@vaultplane/model/vaults/sensitive.ts';
import {
  fleetDefaultsOf,
  type VaultSettings,
  vaultConfigOf,
  vaultSettingKey,
} from '@vaultplane/model/vaults/vault-settings.ts';
import { type ConfigField, faultsOf, type VaultType, withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';

/** One vault as references see it; immutable, and the same object for as long as its configuration is the same. */
export interface Vault {
  /** The entity's id; of a vault of the settings, its name. */
  readonly id: string;
  readonly prefix: string;
  readonly type: VaultType;
  /** Whether the node's own settings configure it, or a snapshot, from wherever that came. */
  readonly origin: Origin;
  /** With its type's defaults, and the region that applies. */
  readonly config: VaultConfig;
  readonly regionFrom: string | undefined;
  readonly lifetimes: Lifetimes;
}

/** A vault of the configuration that is not used. What is held of it is served where it only may not be asked any more. */
export interface RejectedVault {
  prefix: string;
  reason: string;
  /** What upstream_policy would have to grant, as JSON; absent where that would not help. */
  grant?: string;
}

/** Every vault that references may name: those of the settings and those of the snapshot. */
export class VaultDirectory {
  readonly #settings: VaultSettings;
  #vaults = new Map<string, Vault>();
  #unusable: RejectedVault[] = [];
  /** By prefix: pushed vaults that the policy does not let be used as they are configured. */
  #refused = new Map<string, PolicyRefusal>();
  /** Those of which only a call told, as for a name that leads to a metadata address. */
  readonly #refusedCalls = new Map<Vault, PolicyRefusal>();
  #policy: UpstreamPolicy;
  #hasSnapshot = false;

  constructor(settings: VaultSettings, policy = DEFAULT_POLICY) {
    this.#settings = settings;
    this.#policy = policy;
    this.configure(null, {});
  }

  /** Vaults that this build can't use, or that upstream_policy does not let it use, and why. */
  get rejected(): RejectedVault[] {
    const calls = [...this.#refusedCalls].filter(([vault]) => {
      return this.#vaults.get(vault.prefix) === vault && !this.#refused.has(vault.prefix);
    });
    const all = [...this.#refused, ...calls.map(([{ prefix }, refusal]) => [prefix, refusal] as const)];
    const refused = all.map(([prefix, { message, grant }]) => {
      return { prefix, reason: message, ...(grant !== undefined && { grant }) };
    });
    return [...this.#unusable, ...refused];
  }

  /** Another policy holds: every vault is judged anew. */
  judge(policy: UpstreamPolicy): void {
    this.#policy = policy;
    this.#refusedCalls.clear();
    this.#judgeAll();
  }

  #judgeAll(): void {
    this.#refused = new Map();
    for (const vault of this.#vaults.values()) {
      if (vault.origin === 'own') continue;
      const refusal = verdictOf(this.#policy, vault.type, vault.config);
      if (refusal) this.#refused.set(vault.prefix, refusal);
    }
  }

  /**
   * A call for a vault was refused where it was about to leave, or was not (null): its configuration alone may not tell.
   *
   * @returns whether that is news
   */
  called(vault: Vault, refusal: PolicyRefusal | null): boolean {
    if (refusal === null) return this.#refusedCalls.delete(vault);
    if (this.#vaults.get(vault.prefix) !== vault || this.#refused.has(vault.prefix)) return false;
    const isNews = this.#refusedCalls.get(vault)?.message !== refusal.message;
    this.#refusedCalls.set(vault, refusal);
    return isNews;
  }

  /** @throws VaultplaneError unknown_vault, or not_ready while there is no snapshot that could name it */
  get(prefix: string): Vault {
    const vault = this.#vaults.get(prefix);
    if (vault) return vault;
    if (!this.#hasSnapshot && !RESERVED_PREFIXES.includes(prefix)) {
      throw new VaultplaneError('not_ready', `there is no configuration yet that could have a vault ${prefix}`);
    }
    const rejected = this.#unusable.find((candidate) => candidate.prefix === prefix);
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
  configure(snapshot: Snapshot | null, given: ConfigDefaults): boolean {
    const defaults = fleetDefaultsOf(given);
    const before = this.#vaults;
    this.#vaults = new Map();
    this.#unusable = [];
    this.#hasSnapshot = snapshot !== null;
    for (const type of VAULT_TYPES.values()) {
      const config = vaultConfigOf(type, this.#settings);
      if (!type.ambient && Object.keys(config).length === 0) continue;
      for (const { name, fleetDefault } of type.fields) {
        // It has a source of its own, which is named.
        if (fleetDefault) delete config[name];
      }
      this.#add(before, { id: type.name, prefix: type.name, origin: 'own', config }, type, defaults);
    }
    for (const { id, prefix, name, config } of snapshot?.vaults ?? []) {
      const type = VAULT_TYPES.get(name);
      const fault = RESERVED_PREFIXES.includes(prefix)
        ? 'its prefix is the name of a vault type'
        : type
          ? faultOf(type, config)
          : `this build has no vaults of type ${name}`;
      if (type && !fault) this.#add(before, { id, prefix, origin: 'pushed', config }, type, defaults);
      else this.#unusable.push({ prefix, reason: fault ?? '' });
    }
    this.#judgeAll();
    for (const vault of this.#refusedCalls.keys()) {
      if (this.#vaults.get(vault.prefix) !== vault) this.#refusedCalls.delete(vault);
    }
    return [...before.values()].some((vault) => !meansTheSame(vault, this.#vaults.get(vault.prefix)));
  }

  #add(
    before: ReadonlyMap<string, Vault>,
    entity: Pick<Vault, 'id' | 'prefix' | 'origin' | 'config'>,
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

  /** The order of specification.md §2 and §3 behind an entity's own region; behind these come AWS's own settings. */
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
