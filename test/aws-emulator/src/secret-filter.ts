import { constraint, type RequestFields } from './request-fields.ts';
import type { Secret } from './secret.ts';

const FILTER_KEYS = ['description', 'name', 'tag-key', 'tag-value', 'primary-region', 'owning-service', 'all'] as const;

export type SecretFilter = { key: (typeof FILTER_KEYS)[number]; values: string[] };

export function readFilters(fields: RequestFields): SecretFilter[] | null {
  const list = fields.list('Filters', 0, 10);
  return (
    list?.map((item, index) => {
      const { Key, Values } = (item ?? {}) as { Key?: unknown; Values?: unknown };
      const where = `filters.${index + 1}.member`;
      const key = FILTER_KEYS.find((known) => known === Key);
      if (!key) throw constraint(`${where}.key`, `Member must satisfy enum value set: [${FILTER_KEYS.join(', ')}]`);
      if (!Array.isArray(Values) || Values.length < 1 || Values.length > 10) {
        throw constraint(`${where}.values`, 'Member must have length between 1 and 10');
      }
      if (!Values.every((value) => typeof value === 'string' && value.length <= 512)) {
        throw constraint(`${where}.values`, 'Member must have length less than or equal to 512');
      }
      return { key, values: Values as string[] };
    }) ?? null
  );
}

/** Every filter must hold; of one filter's values any will do, and none of those that begin with `!` may. */
export function passesFilters(secret: Secret, filters: SecretFilter[]): boolean {
  return filters.every(({ key, values }) => {
    const wanted = values.filter((value) => !value.startsWith('!'));
    const unwanted = values.filter((value) => value.startsWith('!')).map((value) => value.slice(1));
    if (unwanted.some((value) => matches(secret, key, value))) return false;
    return wanted.length === 0 || wanted.some((value) => matches(secret, key, value));
  });
}

/** The matching rules of the API reference's `Filter` type, per key. */
function matches(secret: Secret, key: SecretFilter['key'], value: string): boolean {
  switch (key) {
    case 'name':
      return secret.name.startsWith(value);
    case 'description':
      return secret.description?.toLowerCase().startsWith(value.toLowerCase()) ?? false;
    case 'tag-key':
      return [...secret.tags.keys()].some((tag) => tag.startsWith(value));
    case 'tag-value':
      return [...secret.tags.values()].some((tag) => tag.startsWith(value));
    case 'primary-region':
      return secret.region.startsWith(value);
    case 'owning-service':
      // Only secrets that another AWS service manages have an owner; the emulator has none of those.
      return false;
    case 'all':
      return matchesAnywhere(secret, value);
  }
}

function matchesAnywhere(secret: Secret, value: string): boolean {
  const attributes = [secret.name, secret.description ?? '', ...secret.tags.keys(), ...secret.tags.values()];
  const words = attributes.flatMap((attribute) => [attribute.toLowerCase(), ...wordsOf(attribute)]);
  return wordsOf(value).every((wanted) => words.some((word) => word.startsWith(wanted)));
}

const wordsOf = (text: string): string[] =>
  text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[\s/_+=.@-]+/)
    .filter((word) => word !== '');
