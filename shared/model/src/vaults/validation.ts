import { isPlainUrl } from '@vaultplane/platform/net/plain-url.ts';
import { looksLikeReference, VAULT_PREFIX } from '../references/reference-text.ts';
import { credentialReferenceError } from './credential-reference.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';
import { isMask, WITHHELD } from './mask.ts';
import { type FieldError, type FieldErrors, SchemaViolation } from './schema-violation.ts';
import { type ConfigField, faultsOf, missingOf, type VaultType } from './vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from './vault-types.ts';

/** What a user gives of a vault: what is absent here is for the store to fill in. */
export interface VaultInput {
  id?: string;
  prefix: string;
  name: string;
  description: string | null;
  config: VaultConfig;
  tags: string[] | null;
  /** Seconds since 1970. */
  created_at?: number;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The cluster link carries no longer prefix than this (shared/model/src/protocol/protocol.ts). */
const LONGEST_PREFIX = 256;
/** Printable, and neither of the two characters that combine tags in a filter. Source: Kong's tag schema. */
const TAG = /^[^\p{Cc},/]+$/u;

/** Tags of one vault. */
export const MAX_TAGS = 256;
/** Members of one list in a vault's config. */
export const MAX_LIST_MEMBERS = 1000;
/** Members of an entity, or of its config, that are unknown or wrong and are named one by one. */
const MAX_NAMED_ERRORS = 50;

/** The types of an entity's own fields, for readers of forms, where everything is text. */
export const ENTITY_FIELD_TYPES = {
  id: 'string',
  prefix: 'string',
  name: 'string',
  description: 'string',
  config: 'record',
  tags: 'array',
  created_at: 'number',
  updated_at: 'number',
} as const;

/**
 * Checks a vault as a user gives it, against its type's fields. A member that is null counts as absent.
 *
 * @throws SchemaViolation with everything that is wrong; only without a `name` nothing else is judged, since it decides
 *   what the rest must be
 */
export function checkVault(input: Record<string, unknown>): VaultInput {
  const type = vaultTypeOf(input.name);
  const errors = noErrors();
  const read = <T>(name: string, check: (value: unknown) => Checked<T>): T | undefined => {
    const value = input[name];
    if (value === undefined || value === null) return undefined;
    const checked = check(value);
    if ('error' in checked) errors[name] = checked.error;
    return 'error' in checked ? undefined : checked.value;
  };

  const id = read('id', checkId);
  const prefix = read('prefix', checkPrefix);
  if (prefix === undefined && errors.prefix === undefined) errors.prefix = 'required field missing';
  const description = read('description', checkText) ?? null;
  const { config: given = {} } = input;
  const checkedConfig = checkConfig(type, given ?? {});
  if ('error' in checkedConfig) errors.config = checkedConfig.error;
  const config = 'error' in checkedConfig ? {} : checkedConfig.value;
  const tags = read('tags', checkTags) ?? null;
  const createdAt = read('created_at', checkTimestamp);
  read('updated_at', checkTimestamp);
  nameUnknown(
    errors,
    Object.keys(input).filter((name) => !Object.hasOwn(ENTITY_FIELD_TYPES, name)),
  );
  if (Object.keys(errors).length > 0) throw new SchemaViolation(errors);

  return {
    ...(id !== undefined && { id }),
    prefix: prefix!,
    name: type.name,
    description,
    config,
    tags,
    ...(createdAt !== undefined && { created_at: createdAt }),
  };
}

/**
 * What is wrong with a prefix, in Kong's words; undefined where it is right.
 */
export function prefixError(prefix: unknown): string | undefined {
  const checked = checkPrefix(prefix);
  return 'error' in checked ? (checked.error as string) : undefined;
}

export type Checked<T> = { value: T } | { error: FieldError };

function vaultTypeOf(name: unknown): VaultType {
  if (name === undefined || name === null) throw new SchemaViolation({ name: 'required field missing' });
  if (typeof name !== 'string') throw new SchemaViolation({ name: 'expected a string' });
  const type = VAULT_TYPES.get(name);
  if (!type) throw new SchemaViolation({ name: `vault '${shown(name)}' is not installed` });
  return type;
}

function checkId(value: unknown): Checked<string> {
  if (typeof value !== 'string') return { error: 'expected a string' };
  return UUID.test(value) ? { value: value.toLowerCase() } : { error: 'expected a valid UUID' };
}

function checkPrefix(value: unknown): Checked<string> {
  const text = checkText(value);
  if ('error' in text) return text;
  if (RESERVED_PREFIXES.includes(text.value)) {
    return { error: `must not be one of: ${RESERVED_PREFIXES.join(', ')}` };
  }
  if (text.value.length > LONGEST_PREFIX) return { error: `length must be at most ${LONGEST_PREFIX}` };
  return VAULT_PREFIX.test(text.value) ? text : { error: `invalid value: ${shown(text.value)}` };
}

function checkConfig(type: VaultType, value: unknown): Checked<VaultConfig> {
  if (typeof value !== 'object' || Array.isArray(value)) return { error: 'expected a record' };
  const given = value as Record<string, unknown>;
  const fields = new Map(type.fields.map((field) => [field.name, field]));
  const errors = noErrors();
  const config: VaultConfig = {};
  for (const [name, member] of Object.entries(given)) {
    const field = fields.get(name);
    if (!field || member === null || member === undefined) continue;
    const checked = checkMember(field, member);
    if ('error' in checked) errors[name] = checked.error;
    else config[name] = checked.value;
  }
  nameUnknown(
    errors,
    Object.keys(given).filter((name) => !fields.has(name)),
  );
  for (const { name, required } of type.fields) {
    if (required && (given[name] ?? null) === null) errors[name] = 'required field missing';
  }
  if (Object.keys(errors).length === 0) Object.assign(errors, missingOf(type, config), faultsOf(type, config));
  return Object.keys(errors).length > 0 ? { error: errors } : { value: config };
}

function checkMember(field: ConfigField, value: unknown): Checked<ConfigValue> {
  if (field.sensitive && isMask(value)) return { value: value as ConfigValue };
  switch (field.type) {
    case 'number': {
      if (typeof value !== 'number' || !Number.isFinite(value)) return { error: 'expected a number' };
      const [min, max] = field.between ?? [-Infinity, Infinity];
      if (field.whole && !Number.isSafeInteger(value)) return { error: 'expected an integer' };
      // -0 would have another text than the 0 that it is read back as.
      if (value >= min && value <= max) return { value: value + 0 };
      return { error: `value should be between ${min} and ${max}` };
    }
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { error: 'expected a boolean' };
    case 'string':
      return checkFieldText(field, value);
    case 'array':
      return Array.isArray(value)
        ? checkMembers(value, MAX_LIST_MEMBERS, (member) => checkFieldText(field, member))
        : { error: 'expected an array' };
  }
}

function checkFieldText(field: ConfigField, value: unknown): Checked<string> {
  const text = checkText(value);
  if ('error' in text) return text;
  if (field.sensitive && looksLikeReference(text.value)) {
    const error = credentialReferenceError(text.value);
    return error === undefined ? text : { error };
  }
  if (field.sensitive && text.value === WITHHELD) return { error: 'invalid value' };
  if (field.oneOf && !field.oneOf.includes(text.value)) {
    return { error: `expected one of: ${field.oneOf.join(', ')}` };
  }
  if (field.match && !field.match.test(text.value)) {
    return { error: field.sensitive ? 'invalid value' : `invalid value: ${shown(text.value)}` };
  }
  if (field.format === 'url' && !isPlainUrl(text.value)) {
    // The value is not repeated: what makes it wrong may be the password in it.
    return { error: 'must be an absolute http or https url without credentials, query or fragment' };
  }
  return text;
}

/** The tags of a vault, or of a filter: each once. */
export function checkTags(value: unknown): Checked<string[]> {
  if (!Array.isArray(value)) return { error: 'expected a set' };
  const tags = checkMembers(value, MAX_TAGS, (tag) => {
    const text = checkText(tag);
    if ('error' in text || TAG.test(text.value)) return text;
    return {
      error: `invalid tag '${shown(text.value)}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`,
    };
  });
  return 'error' in tags ? tags : { value: [...new Set(tags.value)] };
}

function checkMembers(values: unknown[], most: number, check: (value: unknown) => Checked<string>): Checked<string[]> {
  if (values.length > most) return { error: `length must be at most ${most}` };
  const checked = values.map(check);
  if (checked.every((member) => 'value' in member)) return { value: checked.map((member) => member.value) };
  return { error: checked.map((member) => ('error' in member ? (member.error as string) : null)) };
}

function checkText(value: unknown): Checked<string> {
  if (typeof value !== 'string') return { error: 'expected a string' };
  if (value === '') return { error: 'length must be at least 1' };
  // Postgres keeps neither of the two.
  if (value.includes('\0')) return { error: 'must not have a null character' };
  return value.isWellFormed() ? { value } : { error: 'must be valid utf-8' };
}

function checkTimestamp(value: unknown): Checked<number> {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return { error: 'expected an integer' };
  return value >= 0 ? { value: value + 0 } : { error: 'value must be greater than or equal to 0' };
}

/** A field's name comes from the user: `__proto__` must be a member like any other. */
function noErrors(): FieldErrors {
  return Object.create(null) as FieldErrors;
}

/** A name is repeated whole, since a client looks for it, so only some of many are. */
function nameUnknown(errors: FieldErrors, names: readonly string[]): void {
  for (const name of names.slice(0, MAX_NAMED_ERRORS)) errors[name] = 'unknown field';
}

/** An error repeats no more than this of what it was given. */
function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
