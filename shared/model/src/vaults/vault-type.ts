import type { Reference } from '../references/reference-text.ts';
import type { UpstreamUse } from '../upstream-policy/carried.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';

/** One member of a vault type's `config`. */
export interface ConfigField {
  name: string;
  type: 'string' | 'number' | 'boolean' | 'array';
  description: string;
  default?: ConfigValue;
  /** A vault must have it. Kong's error is `required field missing`. */
  required?: true;
  /** Inclusive bounds of a number. */
  between?: readonly [number, number];
  /** A number must be whole. */
  whole?: true;
  /** What a string may be. Kong's error is `expected one of: …`. */
  oneOf?: readonly string[];
  /** What a string (of an array: each member) must match. Kong's error is `invalid value: …`. */
  match?: RegExp;
  /** What `match` allows, in words, such as `a region such as us-east-1`. */
  allowed?: string;
  /** `url`: must be an absolute http or https URL without credentials, query or fragment. */
  format?: 'url';
  /** A credential: encrypted at rest and masked in answers. Never of `identity`, which is written to logs and disks. */
  sensitive?: true;
  /** A change of it makes another secret: a value fetched before is never served after (specification.md §4). */
  identity?: true;
  /**
   * It decides who receives the vault's credentials: the address, whom TLS believes, and who behind one address checks a
   * credential. A literal credential is bound to the values of all these fields (destination.ts). Give a new one no default:
   * what was sealed before it existed would not open any more.
   */
  destination?: true;
  /** It says what may be had by the vault: after a change nothing is kept that was had before. */
  grants?: true;
  /** Where neither the vault nor the data plane's settings say it, the control plane's setting does. One a type at most. */
  fleetDefault?: true;
  /** What Kong calls it in settings, where that is another name: `vault_<type>_<alias>`. */
  settingAlias?: string;
  /** In a reference it may be empty too, which takes away what the vault says. */
  emptyInReference?: true;
}

/** Which version of a secret is meant; nothing set: the only one, or the current one, of a type that has no stages. */
export interface VersionSelector {
  id?: string;
  stage?: string;
}

/** One version of one secret of a vault. */
export interface SecretQuery {
  path: string;
  version: VersionSelector;
}

/** Everything that distinguishes one type of vault from another; all that is said of it anywhere is made of this. */
export interface VaultType {
  /** As in an entity's `name`, and the vault that settings configure; no entity may have it as its prefix. */
  name: string;
  /** What people call the place that it asks. */
  description: string;
  fields: readonly ConfigField[];
  /** What it holds is this machine's own: always at hand, so that none of it is kept on disk. */
  local?: true;
  /**
   * The vault by the type's name is there whether or not settings configure it, since all that it needs may come from
   * the data plane's surroundings. Without it, one of `vault_<type>_<field>` has to be set.
   */
  ambient?: true;
  /** What the credentials of its surroundings are called, where it has some and can say whose they are. */
  credentials?: string;
  /** Its secrets can be chosen by tags. The first such type is the one that `prefetch` means by a tag alone. */
  hasTags?: true;
  /**
   * What a reference may say behind its `?` for this type (specification.md §3): fields by their names, which are checked as
   * in an entity, and others, which only `versionOf` reads. Never one that could send credentials elsewhere.
   */
  referenceOptions: readonly string[];
  /**
   * What is wrong with a configuration whose members are right each by itself, by the name of the member; empty where
   * nothing is.
   *
   * @param config with its defaults
   */
  check?(config: VaultConfig): { [member: string]: string | undefined };
  /**
   * What a configuration lacks to be of use, by the name of the member. It is asked when a vault is saved alone: one that is
   * stored already goes on as it was.
   *
   * @param config with its defaults; credentials may be references, or the mask of those that stay
   */
  missing?(config: VaultConfig): { [member: string]: string | undefined };
  /**
   * What may be wrong with a configuration, and stops nobody from using it.
   *
   * @param config with its defaults
   * @param env of the data plane that uses it, which may say what the configuration leaves open
   */
  doubts?(config: VaultConfig, env?: NodeJS.ProcessEnv): string[];
  /**
   * Where a vault leads, and what of the data plane's own goes there: what upstream_policy decides about where a control
   * plane gave the vault. Without it no such vault may have a reference as its credential.
   *
   * @param config with its defaults, and with references where they stand for credentials
   */
  uses?(config: VaultConfig): UpstreamUse[];
  /**
   * The version that a reference means.
   *
   * @param config the vault's, with its defaults and the reference's options
   * @throws VaultplaneError unsupported_version
   */
  versionOf(reference: Reference, config: VaultConfig): VersionSelector;
  /** How a reference names a version; without it an id that is a whole number stands behind the `#`. */
  referenceVersion?(version: VersionSelector): Pick<Reference, 'version' | 'options'>;
}

/** Seconds; every vault type has these three, and COMMON_FIELDS whole. Source: Kong's vault schemas, specification.md §4. */
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

/** Fields of every vault type, which say nothing of where its secrets are. Source: Kong's vault schemas. */
export const COMMON_FIELDS: readonly ConfigField[] = [
  ...LIFETIME_FIELDS,
  {
    name: 'base64_decode',
    type: 'boolean',
    default: false,
    settingAlias: 'decode_base64',
    description:
      'Every value of the vault is base64, and delivered decoded: the member that a reference picks, or the whole secret. ' +
      'Bytes that are no text stay base64, and are said to be. A value that is no base64 is an error.',
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

/** What is wrong with a configuration whose members are right each by itself, by the name of the member. */
export function faultsOf(type: VaultType, config: VaultConfig): Record<string, string> {
  const faults: Record<string, string> = {};
  for (const { name, required } of type.fields) {
    if (required && config[name] === undefined) faults[name] = 'required field missing';
  }
  if (Object.keys(faults).length > 0) return faults;
  return named(type.check?.(withDefaults(type, config)));
}

/** What a configuration that is to be saved lacks, by the name of the member. */
export function missingOf(type: VaultType, config: VaultConfig): Record<string, string> {
  return named(type.missing?.(withDefaults(type, config)));
}

/** What may be wrong with a vault's configuration; nothing for a type that this build does not know. */
export function doubtsOf(type: VaultType | undefined, config: VaultConfig, env?: NodeJS.ProcessEnv): string[] {
  return type?.doubts?.(withDefaults(type, config), env) ?? [];
}

function named(faults: { [member: string]: string | undefined } = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(faults).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** How a reference to a vault of this type names a version. */
export function referenceVersion(type: VaultType, version: VersionSelector): Pick<Reference, 'version' | 'options'> {
  if (type.referenceVersion) return type.referenceVersion(version);
  return version.id !== undefined && /^[1-9]\d{0,14}$/.test(version.id) ? { version: Number(version.id) } : {};
}
