import { StartError } from '@vaultplane/platform/errors.ts';
import type { SettingSpec } from '@vaultplane/platform/settings/settings.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';
import { fits } from './field-value.ts';
import { type ConfigField, faultsOf, type VaultType } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/** `vault_<type>_<field>` (specification.md §2). */
export type VaultSettingKey = `vault_${string}_${string}`;

/** What a program's settings say of the vaults that settings configure. */
export type VaultSettings = { readonly [key: VaultSettingKey]: ConfigValue | undefined };

/** None of them has a default: what is not set counts as not said, and the type's defaults are filled in by who reads. */
type VaultSettingSpec = Exclude<SettingSpec, { type: 'listen' } | { default: unknown }>;

export function vaultSettingKey(type: Pick<VaultType, 'name'>, field: Pick<ConfigField, 'name'>): VaultSettingKey {
  return `vault_${type.name}_${field.name}`;
}

/** The settings of every vault type. */
export const VAULT_SETTINGS: { [key: VaultSettingKey]: VaultSettingSpec } = Object.fromEntries(
  [...VAULT_TYPES.values()].flatMap((type) =>
    type.fields.map((field) => [vaultSettingKey(type, field), specOf(type, field)]),
  ),
);

/** What settings say of the vault that is called as its type is; its type's defaults are not in it. */
export function vaultConfigOf(type: VaultType, settings: VaultSettings): VaultConfig {
  const config: VaultConfig = {};
  for (const field of type.fields) {
    const value = settings[vaultSettingKey(type, field)];
    if (value !== undefined) config[field.name] = value;
  }
  return config;
}

/**
 * Refuses a vault that settings configure by half.
 *
 * @throws StartError naming the settings
 */
export function checkVaultSettings(settings: VaultSettings): void {
  for (const type of VAULT_TYPES.values()) {
    const config = vaultConfigOf(type, settings);
    const [set] = Object.keys(config);
    if (set === undefined) continue;
    const [fault] = Object.entries(faultsOf(type, config));
    if (!fault) continue;
    const key = `vault_${type.name}_${fault[0]}`;
    const isMissing =
      config[fault[0]] === undefined && type.fields.some(({ name, required }) => required && name === fault[0]);
    throw new StartError(isMissing ? `vault_${type.name}_${set} needs ${key} beside it` : `${key}: ${fault[1]}`);
  }
}

const FLEET_DEFAULTS: ReadonlyMap<VaultSettingKey, ConfigField> = new Map(
  [...VAULT_TYPES.values()].flatMap((type) =>
    type.fields.filter(({ fleetDefault }) => fleetDefault).map((field) => [vaultSettingKey(type, field), field]),
  ),
);

export const FLEET_DEFAULT_KEYS: readonly VaultSettingKey[] = [...FLEET_DEFAULTS.keys()];

/**
 * What a control plane's settings say that its data planes use where nothing else says it, by the setting's key. Only what
 * the field may hold: a data plane uses it in vaults of its own too, and a region becomes part of a host's name.
 */
export function fleetDefaultsOf(settings: VaultSettings): { [key: VaultSettingKey]: string } {
  const defaults: { [key: VaultSettingKey]: string } = {};
  for (const [key, field] of FLEET_DEFAULTS) {
    const value = settings[key];
    if (typeof value === 'string' && fits(field, value)) defaults[key] = value;
  }
  return defaults;
}

/** The region of the program itself, where neither the environment nor the profile names one. */
export function homeRegionOf({ vault_aws_region: region }: VaultSettings): string | undefined {
  return typeof region === 'string' ? region : undefined;
}

/** What confines every env vault of a data plane. */
export function envPrefixOf({ vault_env_prefix: prefix }: VaultSettings): string | undefined {
  return typeof prefix === 'string' ? prefix : undefined;
}

function specOf(type: VaultType, field: ConfigField): VaultSettingSpec {
  const { match, allowed, oneOf, between, settingAlias, default: filledInLater } = field;
  const spec = {
    description: field.description,
    ...(settingAlias !== undefined && { aliases: [vaultSettingKey(type, { name: settingAlias })] }),
    ...(field.sensitive && { secret: true }),
    ...(filledInLater !== undefined && { filledInLater }),
  };
  const form = { ...(match && { match }), ...(allowed !== undefined && { allowed }) };
  switch (field.type) {
    case 'number': {
      const range = between && { min: between[0], max: between[1] };
      return { ...spec, type: field.whole ? 'integer' : 'number', ...range };
    }
    case 'boolean':
      return { ...spec, type: 'boolean' };
    case 'array':
      return { ...spec, type: 'list', ...form };
    case 'string':
      if (oneOf) return { ...spec, type: 'enum', values: oneOf };
      return field.format === 'url' ? { ...spec, type: 'url' } : { ...spec, type: 'string', ...form };
  }
}
