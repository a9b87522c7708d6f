import { canonicalJson } from '../snapshots/canonical.ts';
import type { ConfigValue, VaultConfig, VaultEntity } from './entity.ts';
import { type ConfigField, type VaultType, withDefaults } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/** The fields of a vault type that decide who receives the vault's credentials. */
export function destinationFields({ fields }: Pick<VaultType, 'fields'>): ConfigField[] {
  return fields.filter(({ destination }) => destination);
}

/** Who receives a vault's credentials: the members that say so, with their defaults. Of a type that is not known: all. */
export function destinationOf({ name, config }: Pick<VaultEntity, 'name' | 'config'>): VaultConfig {
  const type = VAULT_TYPES.get(name);
  if (!type) return config;
  const complete = withDefaults(type, config);
  const members = destinationFields(type).map((field): [string, ConfigValue | undefined] => [
    field.name,
    complete[field.name],
  ]);
  return Object.fromEntries(members.filter((member): member is [string, ConfigValue] => member[1] !== undefined));
}

/**
 * The members by which the destinations of two configurations of a vault differ: `name` where its type is another, else
 * `config.MEMBER`. Empty where they are the same.
 */
export function destinationChanges(
  before: Pick<VaultEntity, 'name' | 'config'>,
  after: Pick<VaultEntity, 'name' | 'config'>,
): string[] {
  if (before.name !== after.name) return ['name'];
  const [was, is] = [destinationOf(before), destinationOf(after)];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((member) => canonicalJson(was[member] ?? null) !== canonicalJson(is[member] ?? null))
    .map((member) => `config.${member}`);
}
