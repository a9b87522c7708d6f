import { readFileSync } from 'node:fs';
import { DEFAULT_ACCOUNT, members, type Principal, parsePrincipal, parseRole, type Role } from './principal.ts';
import type { SecretValue } from './secret.ts';
import { SpecError } from './spec-error.ts';

/** A secret as seeds and the control API give it, with its versions oldest first. */
export type SeededSecret = {
  account: string;
  region: string;
  name: string;
  versions: SecretValue[];
  /** Labels of the newest version; AWSCURRENT when null. */
  stages: string[] | null;
  versionId: string | null;
  description: string | null;
  tags: [key: string, value: string][];
  sharedWith: string[];
  /** A customer's key, by id or ARN; null for aws/secretsmanager. */
  kmsKeyId: string | null;
};

export type Seed = { secrets: SeededSecret[]; principals: Principal[]; roles: Role[] };

/** Reads a seed file; throws SpecError that names the file. */
export function readSeed(file: string, region: string): Seed {
  return readSpecFile(file, (json) => parseSeed(json, region));
}

/** Reads a file of JSON that `parse` understands; throws SpecError that names the file and shows none of it. */
export function readSpecFile<T>(file: string, parse: (json: unknown) => T): T {
  try {
    return parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) throw new SpecError(`${file} is not JSON: ${withoutText(error.message)}`);
    if (error instanceof SpecError) throw new SpecError(`${file}: ${error.message}`);
    throw new SpecError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

export function parseSeed(json: unknown, region: string): Seed {
  const spec = members(json, 'a seed', ['secrets', 'principals', 'roles']);
  const list = (name: string): unknown[] => {
    const value = spec[name] ?? [];
    if (!Array.isArray(value)) throw new SpecError(`${name} of a seed is a list`);
    return value;
  };
  return {
    secrets: list('secrets').map((item) => parseSecret(item, region)),
    principals: list('principals').map(parsePrincipal),
    roles: list('roles').map(parseRole),
  };
}

/** `region` is for secrets that name none. Throws SpecError, never with a value in it. */
export function parseSecret(json: unknown, region: string): SeededSecret {
  const spec = members(json, 'a secret', [
    'region',
    'account',
    'name',
    'value',
    'binary',
    'versions',
    'stages',
    'versionId',
    'description',
    'tags',
    'sharedWith',
    'kmsKeyId',
  ]);
  const { name, versions, tags = {}, account = DEFAULT_ACCOUNT } = spec;
  if (typeof name !== 'string' || !/^[\w/+=.@!-]{1,512}$/.test(name)) {
    throw new SpecError("a secret's name is 1 to 512 letters, digits and -/_+=.@!");
  }
  if (typeof account !== 'string' || !/^\d{12}$/.test(account)) throw new SpecError('an account is 12 digits');
  if (versions !== undefined && !Array.isArray(versions)) throw new SpecError(`versions of ${name} is a list`);
  const newest = [
    ...('value' in spec ? [secretValueOf(name, spec.value)] : []),
    ...('binary' in spec ? [binaryOf(name, spec.binary)] : []),
  ];
  if (newest.length + (versions?.length ?? 0) === 0) throw new SpecError(`${name} needs a value, binary or versions`);
  if (newest.length > 1) throw new SpecError(`${name} has both value and binary`);
  const tagPairs = Object.entries(members(tags, 'tags', Object.keys(tags as object)));
  if (tagPairs.some(([, value]) => typeof value !== 'string')) throw new SpecError(`tags of ${name} are strings`);
  return {
    account,
    region: optionalText(spec, 'region') ?? region,
    name,
    versions: [...(versions ?? []).map((value: unknown) => secretValueOf(name, value)), ...newest],
    stages: stringsOrNull(spec, 'stages'),
    versionId: optionalText(spec, 'versionId'),
    description: optionalText(spec, 'description'),
    tags: tagPairs as [string, string][],
    sharedWith: stringsOrNull(spec, 'sharedWith') ?? [],
    kmsKeyId: optionalText(spec, 'kmsKeyId'),
  };
}

/** A string is the value; anything else is its JSON, as consoles write key/value secrets. */
function secretValueOf(name: string, value: unknown): SecretValue {
  if (value === null || value === undefined || value === '') throw new SpecError(`the value of ${name} is empty`);
  return { text: typeof value === 'string' ? value : JSON.stringify(value) };
}

function binaryOf(name: string, value: unknown): SecretValue {
  if (typeof value !== 'string' || value === '') throw new SpecError(`binary of ${name} is base64`);
  return { bytes: Buffer.from(value, 'base64') };
}

function optionalText(spec: Record<string, unknown>, name: string): string | null {
  const value = spec[name] ?? null;
  if (value !== null && (typeof value !== 'string' || value === '')) throw new SpecError(`${name} is a string`);
  return value as string | null;
}

function stringsOrNull(spec: Record<string, unknown>, name: string): string[] | null {
  const value = spec[name] ?? null;
  if (value === null) return null;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw new SpecError(`${name} is a list of strings`);
  }
  return value;
}

/** JSON.parse quotes the text around a fault, and that may be a secret. */
const withoutText = (message: string): string =>
  /position \d+( \(line \d+ column \d+\))?/.exec(message)?.[0] ?? 'syntax';
