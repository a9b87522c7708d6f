import { COMMON_FIELDS } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/** Fields that say only for how long a value is good, and in which form it is given. */
const OF_VALUES: readonly string[] = COMMON_FIELDS.map(({ name }) => name);

/**
 * Whether an option of a reference can make another secret of the same name: it overrides a field of some vault type that
 * is more than one of those (`identity`, as a region, project or prefix; any other counts too, to be safe). Versions and
 * json_pointer are no fields: they choose within a secret.
 */
export function isScopingOption(name: string): boolean {
  if (OF_VALUES.includes(name)) return false;
  return [...VAULT_TYPES.values()].some(
    ({ referenceOptions, fields }) => referenceOptions.includes(name) && fields.some((field) => field.name === name),
  );
}

/** Every such option of every vault type. */
export function scopingOptions(): string[] {
  const names = [...VAULT_TYPES.values()].flatMap(({ referenceOptions }) => referenceOptions);
  return [...new Set(names)].filter(isScopingOption);
}
