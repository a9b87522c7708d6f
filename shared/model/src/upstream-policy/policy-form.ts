import { isAbsolute, normalize } from 'node:path';
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { parseReference } from '../references/reference.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import { parseDestinationPattern } from './destination.ts';
import { Grant, type GrantForm } from './grant.ts';
import type { PolicyContent } from './policy.ts';

/** The form of the file, for errors. */
export const POLICY_EXAMPLE =
  '{"grants":[{"type":"hcv","destination":"https://vault.example.com:8200","references":["{vault://env/HCV_TOKEN}"]}]}';

const MEMBERS = ['$schema', 'defaults', 'roles', 'grants'];
/** What a role may be: an ARN in which `*` is any text. Source: as the roles of vaults (vaults/aws.ts). */
export const ROLE_PATTERN = /^arn:[\w*-]+:iam::[\d*]{1,12}:role\/\S+$/;
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Types that grants make sense for: what others hold never leaves the machine. */
export const grantableTypes = () => [...VAULT_TYPES.values()].filter(({ local }) => !local).map(({ name }) => name);

/** Which members a grant of a type has a use for, beside `type` and `destination`; of a type that is not here: all. */
const OF_TYPE: { readonly [type: string]: readonly string[] | undefined } = {
  aws: ['identity', 'roles'],
  gcp: ['identity', 'references', 'environment'],
  hcv: ['references', 'environment', 'files', 'service_account_token', 'ca_cert'],
};
const GRANT_MEMBERS = [
  'references',
  'environment',
  'files',
  'service_account_token',
  'ca_cert',
  'identity',
  'roles',
] as const;

export interface PolicySurroundings {
  /** vault_env_prefix: what a reference to a variable means depends on it. */
  envPrefix: string;
}

/**
 * Reads what a file of upstream_policy holds.
 *
 * @throws Error that says what is wrong where, and what to do
 */
export function parsePolicy(text: string, { envPrefix }: PolicySurroundings): PolicyContent {
  let document: unknown;
  try {
    document = JSON.parse(withoutByteOrderMark(text));
  } catch {
    throw new Error(`is not JSON; it must have the form ${POLICY_EXAMPLE}`);
  }
  if (!isObject(document)) throw new Error(`must be an object, such as ${POLICY_EXAMPLE}`);
  refuseOthers(document, MEMBERS, '');
  const { $schema: schema, defaults = true, roles, grants = [] } = document;
  if (schema !== undefined && typeof schema !== 'string') throw new Error('$schema must be a text');
  if (typeof defaults !== 'boolean') throw new Error('defaults must be true or false');
  if (!Array.isArray(grants)) throw new Error('grants must be a list');
  return {
    defaults,
    roles: roles === undefined ? undefined : readRoles('roles', roles),
    grants: grants.map((grant, index) => readGrant(`grants[${index}]`, grant, envPrefix)),
  };
}

function readGrant(at: string, given: unknown, envPrefix: string): Grant {
  if (!isObject(given)) throw new Error(`${at} must be an object`);
  refuseOthers(given, ['type', 'destination', ...GRANT_MEMBERS], at);
  const { type, destination } = given;
  const types = grantableTypes();
  if (typeof type !== 'string' || !types.includes(type)) {
    throw new Error(`${at}.type must be one of ${types.join(', ')}`);
  }
  const usable = OF_TYPE[type] ?? GRANT_MEMBERS;
  const useless = GRANT_MEMBERS.find((member) => member in given && !usable.includes(member));
  if (useless !== undefined) {
    throw new Error(
      `${at}.${useless} means nothing for vaults of type ${type}; such a grant may have ${usable.join(', ')}`,
    );
  }
  if (typeof destination !== 'string') throw new Error(`${at}.destination must be a text`);
  const pattern = naming(`${at}.destination`, () => parseDestinationPattern(destination));
  const form: GrantForm = {
    type,
    destination,
    ...list(given, 'references', at, checkReference),
    ...list(given, 'environment', at, checkVariable),
    ...list(given, 'files', at, checkPath),
    ...flag(given, 'service_account_token', at),
    ...flag(given, 'ca_cert', at),
    ...flag(given, 'identity', at),
    ...(given.roles !== undefined && { roles: readRoles(`${at}.roles`, given.roles) }),
  };
  return new Grant(form, pattern, envPrefix);
}

function readRoles(at: string, given: unknown): string[] {
  return readTexts(at, given, (text) => {
    if (!ROLE_PATTERN.test(text))
      throw new Error('must be ARNs of roles, such as arn:aws:iam::123456789012:role/app-*');
  });
}

function checkReference(text: string): void {
  const { vault } = parseReference(text);
  if (VAULT_TYPES.has(vault)) return;
  throw new Error(`must refer to a vault that settings configure (${[...VAULT_TYPES.keys()].join(', ')})`);
}

function checkVariable(text: string): void {
  if (!VARIABLE_NAME.test(text)) throw new Error('must be names of environment variables');
}

function checkPath(text: string): void {
  if (!isAbsolute(text) || normalize(text) !== text) throw new Error('must be absolute paths, without . and ..');
}

function list<K extends 'references' | 'environment' | 'files'>(
  given: Record<string, unknown>,
  member: K,
  at: string,
  check: (text: string) => void,
): { [member in K]?: string[] } {
  if (given[member] === undefined) return {};
  return { [member]: readTexts(`${at}.${member}`, given[member], check) } as { [member in K]?: string[] };
}

function flag<K extends 'identity' | 'service_account_token' | 'ca_cert'>(
  given: Record<string, unknown>,
  member: K,
  at: string,
): { [member in K]?: boolean } {
  const value = given[member];
  if (value === undefined) return {};
  if (typeof value !== 'boolean') throw new Error(`${at}.${member} must be true or false`);
  return { [member]: value } as { [member in K]?: boolean };
}

function readTexts(at: string, given: unknown, check: (text: string) => void): string[] {
  if (!Array.isArray(given) || !given.every((item) => typeof item === 'string')) {
    throw new Error(`${at} must be a list of texts`);
  }
  for (const [index, text] of given.entries()) naming(`${at}[${index}]`, () => check(text));
  return given;
}

function naming<T>(at: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof VaultplaneError) throw new Error(`${at} must be a reference: ${error.message}`);
    throw new Error(`${at} ${(error as Error).message}`);
  }
}

function refuseOthers(given: object, members: readonly string[], at: string): void {
  const unknown = Object.keys(given).find((member) => !members.includes(member));
  if (unknown === undefined) return;
  // Its name is not repeated: whoever mixed files up may have put anything there.
  const hint = nearest(unknown, members);
  throw new Error(`${at === '' ? '' : `${at} `}has a member that is not one of ${members.join(', ')}${hint}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
