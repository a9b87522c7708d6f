import { members } from '@vaultplane/aws-emulator/principal.ts';
import { readSpecFile } from '@vaultplane/aws-emulator/seed.ts';
import { SpecError } from '@vaultplane/aws-emulator/spec-error.ts';
import { type Principal, parsePrincipal } from './principal.ts';
import { MAX_DATA_BYTES, SECRET_ID } from './secret-store.ts';

/** A secret as seeds and the control API give it, with its versions oldest first. */
export type SeededSecret = { project: string; name: string; versions: Buffer[]; labels: [string, string][] };
export type Seed = { secrets: SeededSecret[]; principals: Principal[] };

/** Reads a seed file; throws SpecError that names the file. */
export function readSeed(file: string, project: string): Seed {
  return readSpecFile(file, (json) => parseSeed(json, project));
}

/** `project` is for what names none. */
export function parseSeed(json: unknown, project: string): Seed {
  const { secrets = [], principals = [] } = members(json, 'a seed', ['secrets', 'principals']);
  if (!Array.isArray(secrets) || !Array.isArray(principals)) {
    throw new SpecError('secrets and principals of a seed are lists');
  }
  return {
    secrets: secrets.map((secret) => parseSecret(secret, project)),
    principals: principals.map((principal) => parsePrincipal(principal, project)),
  };
}

/** Throws SpecError, never with a value in it. */
export function parseSecret(json: unknown, defaultProject: string): SeededSecret {
  const spec = members(json, 'a secret', ['project', 'name', 'value', 'binary', 'versions', 'labels']);
  const { name, project = defaultProject, versions = [], labels = {} } = spec;
  if (typeof name !== 'string' || !SECRET_ID.test(name)) {
    throw new SpecError("a secret's name is 1 to 255 letters, digits, - and _");
  }
  if (typeof project !== 'string') throw new SpecError(`project of ${name} is a string`);
  if (!Array.isArray(versions)) throw new SpecError(`versions of ${name} is a list`);
  const data = [
    ...versions.map(bytesOf),
    ...('value' in spec ? [bytesOf(spec.value)] : []),
    ...('binary' in spec ? [Buffer.from(String(spec.binary), 'base64')] : []),
  ];
  if (data.length === 0) throw new SpecError(`${name} needs a value, binary or versions`);
  if (data.some(({ length }) => length > MAX_DATA_BYTES)) throw new SpecError(`a value of ${name} is too large`);
  const pairs = Object.entries(members(labels, 'labels', Object.keys(labels as object)));
  if (pairs.some(([, value]) => typeof value !== 'string')) throw new SpecError(`labels of ${name} are strings`);
  return { project, name, versions: data, labels: pairs as [string, string][] };
}

/** A string is the value; anything else is its JSON. */
export function bytesOf(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}
