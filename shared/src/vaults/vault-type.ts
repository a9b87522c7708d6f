import type { Reference, ReferenceOption } from '../reference.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';

/** One member of a vault type's `config`. */
export interface ConfigField {
  name: string;
  type: 'string' | 'number' | 'boolean' | 'array';
  description: string;
  default?: ConfigValue;
  /** Inclusive bounds of a number. */
  between?: readonly [number, number];
  /** What a string (of an array: each member) must match. Kong's error is `invalid value: …`. */
  match?: RegExp;
  /** `url`: must be an absolute http or https URL without credentials, query or fragment. */
  format?: 'url';
  /** Encrypted at rest and masked in answers. */
  sensitive?: true;
  /** A change of it makes another secret: a value fetched before is never served after (CONTRACT.md §4). */
  identity?: true;
}

/** Which version of a secret is meant; nothing set: the only one, or the current one, of a type that has no stages. */
export interface VersionSelector {
  id?: string;
  stage?: string;
}

/** Everything that distinguishes one type of vault from another, but for the code that fetches (shared/src/backends). */
export interface VaultType {
  /** As in an entity's `name`; no entity may have it as its prefix. */
  name: string;
  description: string;
  fields: readonly ConfigField[];
  /** What it holds is this machine's own: always at hand, so that none of it is kept on disk. */
  local?: true;
  /** What a reference may say behind its `?` for this type (CONTRACT.md §3). */
  referenceOptions: readonly ReferenceOption[];
  /**
   * The version that a reference means.
   *
   * @throws VaultplaneError unsupported_version
   */
  versionOf(reference: Reference): VersionSelector;
}

/** Seconds; every vault type has these three. Source: Kong's vault schemas, CONTRACT.md §4. */
export const LIFETIME_FIELDS: readonly ConfigField[] = [
  {
    name: 'ttl',
    type: 'number',
    default: 0,
    between: [0, 100_000_000],
    description: 'Seconds for which a value is fresh; then it is refreshed in the background. 0: never rotated.',
  },
  {
    name: 'neg_ttl',
    type: 'number',
    default: 0,
    between: [0, 100_000_000],
    description: 'Seconds for which a miss is remembered. 0: every lookup asks again.',
  },
  {
    name: 'resurrect_ttl',
    type: 'number',
    default: 100_000_000,
    between: [0, 100_000_000],
    description: 'Seconds for which a value is served after its ttl while it cannot be refreshed.',
  },
];

/** The configuration with the type's defaults filled in; members without a default stay absent. */
export function withDefaults(type: VaultType, config: VaultConfig): VaultConfig {
  const complete: VaultConfig = {};
  for (const field of type.fields) {
    const value = config[field.name] ?? field.default;
    if (value !== undefined) complete[field.name] = value;
  }
  return complete;
}
