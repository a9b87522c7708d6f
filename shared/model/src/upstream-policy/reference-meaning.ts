import { parseReference } from '../references/reference.ts';
import { PREVIOUS } from '../vaults/env.ts';
import { variableName } from '../vaults/variable-rules.ts';

/** Say for how long a value is held, and not which it is. */
const LIFETIMES = ['ttl', 'neg_ttl', 'resurrect_ttl'];

/**
 * Equal for references that mean the same, however they are spelt. Everything counts that may lead to another value:
 * options, the version, and the key, whose reference has a second reading.
 *
 * @throws VaultplaneError for what is no reference
 */
export function meaningOfReference(text: string): string {
  const { vault, path, key, version, options = {} } = parseReference(text);
  const kept = Object.entries(options).filter(([name]) => !LIFETIMES.includes(name));
  // Case and dashes of a variable's name say nothing; a second reading is by path and key.
  const name = (part: string) => (vault === 'env' && !('prefix' in options) ? variableName('', part) : part);
  return JSON.stringify([vault, name(path), key ?? null, version ?? null, kept.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** What a reference to the vault `env` reads. */
export interface EnvironmentReference {
  name: string;
  /** It is the whole variable, by nothing but its name. */
  isPlain: boolean;
}

/**
 * The variable that a reference to the vault `env` of the settings reads; undefined for another vault.
 *
 * @param envPrefix vault_env_prefix
 */
export function variableOfReference(text: string, envPrefix: string): EnvironmentReference | undefined {
  const { vault, path, key, version, options = {} } = parseReference(text);
  if (vault !== 'env') return undefined;
  const meant = Object.keys(options).filter((name) => !LIFETIMES.includes(name));
  const isPlain = key === undefined && (version ?? 1) === 1 && meant.length === 0;
  return { name: variableName(options.prefix ?? envPrefix, path, version === 2 ? PREVIOUS : undefined), isPlain };
}
