import { isCredentialReference } from './credential-elsewhere.ts';
import { destinationChanges } from './destination.ts';
import type { ConfigValue, VaultEntity } from './entity.ts';
import { isMask, MASK, WITHHELD } from './mask.ts';
import { SchemaViolation } from './schema-violation.ts';
import type { ConfigField } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/** The members of a vault's config that are, or refer to, credentials of its own. Of a type that is not known there are none. */
export function sensitiveFields(typeName: string): readonly ConfigField[] {
  return VAULT_TYPES.get(typeName)?.fields.filter(({ sensitive }) => sensitive) ?? [];
}

/** To whoever keeps a credential in a vault's configuration. */
export const CREDENTIAL_ADVICE =
  'WARNING: stand in the configuration, and so in the database and on every data plane, whether or not its applications use the vault; a reference such as {vault://env/HCV_TOKEN}, resolved on data planes alone, keeps them out';

export function isWithheld(value: ConfigValue | undefined): boolean {
  return value === WITHHELD || (Array.isArray(value) && value.length === 1 && value[0] === WITHHELD);
}

/** The members of a vault that are credentials themselves. */
export function literalCredentials({ name, config }: Pick<VaultEntity, 'name' | 'config'>): ConfigField[] {
  return sensitiveFields(name).filter((field) => {
    const value = config[field.name];
    return value !== undefined && !isCredentialReference(value) && !isWithheld(value);
  });
}

/** The vault as it may be shown: every credential masked; a reference to one is shown. */
export function masked<V extends Pick<VaultEntity, 'name' | 'config'>>(vault: V): V {
  const set = literalCredentials(vault);
  if (set.length === 0) return vault;
  const masks = set.map(({ name, type }): [string, ConfigValue] => [name, type === 'array' ? [MASK] : MASK]);
  return { ...vault, config: { ...vault.config, ...Object.fromEntries(masks) } };
}

/**
 * The vault with what its masks stand for. A credential stays with its destination: where that changes, it has to be given
 * again, so that whoever may change a vault, and not see its credentials, cannot have them sent to a server of their own. A
 * reference to a credential may stay: what may be sent where is then for the data planes to decide.
 *
 * @param current the vault that it replaces; undefined: there is none
 * @throws SchemaViolation for a mask that stands for nothing, and for one whose credential would go elsewhere
 */
export function unmasked<V extends Pick<VaultEntity, 'name' | 'config'>>(
  vault: V,
  current: VaultEntity | undefined,
): V {
  const sensitive = [vault, ...(current ? [current] : [])].flatMap(({ name }) => sensitiveFields(name));
  const given = new Set(sensitive.map(({ name }) => name).filter((name) => isMask(vault.config[name])));
  if (given.size === 0) return vault;
  const changes = current ? destinationChanges(current, vault) : [];
  const config = { ...vault.config };
  const errors: Record<string, string> = {};
  for (const name of given) {
    const value = current?.name === vault.name ? current.config[name] : undefined;
    if (value !== undefined && (changes.length === 0 || isCredentialReference(value))) config[name] = value;
    else if (current?.config[name] === undefined)
      errors[name] = 'the mask of a value stands for the one that is there, and there is none';
    else
      errors[name] =
        `must be given again, since a credential is bound to its destination and ${changes.join(', ')} changes`;
  }
  if (Object.keys(errors).length > 0) throw new SchemaViolation({ config: errors });
  return { ...vault, config };
}
