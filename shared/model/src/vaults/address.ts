import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { printReference, type Reference, secondReading } from '../references/reference.ts';
import { type Delivered, decodeBase64 } from '../values/base64-decoded.ts';
import type { Pick, SecretValue } from '../values/secret-value.ts';
import type { VaultConfig } from './entity.ts';
import { optionField, optionValue } from './field-value.ts';
import type { SecretQuery } from './vault-type.ts';
import { COMMON_FIELDS, type VaultType } from './vault-type.ts';

/** Milliseconds; what the three lifetime fields of every vault type say (specification.md §4). */
export interface Lifetimes {
  ttl: number;
  negTtl: number;
  resurrectTtl: number;
}

/** One reading of a reference: which secret, and what of it. */
export interface ReadingAddress {
  query: SecretQuery;
  pick: Pick;
  /** The reading as a reference, for people. */
  text: string;
}

/** What a reference means in one configured vault. */
export interface Address {
  /** The vault's configuration with the reference's options merged in. */
  config: VaultConfig;
  /** Where the region came from, if the reference says it. */
  regionFrom?: string;
  lifetimes: Lifetimes;
  /** The readings to try, in order (specification.md §3): one, or two. */
  readings: readonly [ReadingAddress, ReadingAddress?];
}

const NO_VERSION: SecretQuery['version'] = Object.freeze({});

/**
 * @param config the vault's configuration with its type's defaults
 * @throws VaultplaneError invalid_option for an option that vaults of this type have not, unsupported_version
 */
export function addressOf(type: VaultType, config: VaultConfig, reference: Reference): Address {
  // References mostly set nothing: then what they mean is their vault's own, and there once for all of them.
  const merged: VaultConfig = reference.options === undefined ? config : { ...config };
  let regionFrom: string | undefined;
  for (const [name, value] of Object.entries(reference.options ?? {})) {
    if (!type.referenceOptions.includes(name) && name !== 'json_pointer') {
      throw new VaultplaneError(
        'invalid_option',
        `a reference to a vault of type ${type.name} can't set ${name}; it may set ${type.referenceOptions.join(', ')}`,
      );
    }
    const field = optionField(type, name);
    if (!field || value === undefined) continue;
    const read = optionValue(field, value);
    if (read instanceof VaultplaneError) throw read;
    merged[name] = read;
    if (field.fleetDefault) regionFrom = `the reference's ${name}`;
  }
  const second = secondReading(reference);
  const asked = type.versionOf(reference, merged);
  const version = asked.id === undefined && asked.stage === undefined ? NO_VERSION : asked;
  const reading = (of: Reference): ReadingAddress => ({
    query: { path: of.path, version },
    pick: pickOf(of),
    text: printReference(of),
  });
  return {
    config: merged,
    ...(regionFrom !== undefined && { regionFrom }),
    lifetimes: lifetimesOf(merged),
    readings: second ? [reading(reference), reading(second)] : [reading(reference)],
  };
}

const lifetimes = new WeakMap<VaultConfig, Lifetimes>();

/** @param config one that never changes; so the same object is given for the same one */
export function lifetimesOf(config: VaultConfig): Lifetimes {
  const known = lifetimes.get(config) ?? readLifetimes(config);
  lifetimes.set(config, known);
  return known;
}

function readLifetimes(config: VaultConfig): Lifetimes {
  const milliseconds = (name: string) => (typeof config[name] === 'number' ? config[name] * 1000 : 0);
  return {
    ttl: milliseconds('ttl'),
    negTtl: milliseconds('neg_ttl'),
    resurrectTtl: milliseconds('resurrect_ttl'),
  };
}

/**
 * The fields whose change makes another secret, as one text; lifetimes are not among them (specification.md §4).
 *
 * @param config one that never changes
 */
export function identityOf(type: VaultType, config: VaultConfig): string {
  const known = identities.get(config);
  if (known?.type === type) return known.identity;
  const fields = type.fields.filter((field) => field.identity).map((field) => config[field.name] ?? null);
  const identity = JSON.stringify([type.name, ...fields]);
  identities.set(config, { type, identity });
  return identity;
}

const identities = new WeakMap<VaultConfig, { type: VaultType; identity: string }>();

/**
 * What a backend is opened with, as one text: the fields that make another secret, and those that only say how to get at
 * it, credentials among them; not to be shown. Vaults that have it in common can share a backend.
 *
 * @param config one that never changes
 */
export function accessOf(type: VaultType, config: VaultConfig): string {
  const known = accesses.get(config);
  if (known?.type === type) return known.access;
  const fields = type.fields.filter((field) => !field.grants && !COMMON_FIELDS.includes(field));
  const access = JSON.stringify([type.name, ...fields.map(({ name }) => config[name] ?? null)]);
  accesses.set(config, { type, access });
  return access;
}

const accesses = new WeakMap<VaultConfig, { type: VaultType; access: string }>();

/**
 * What a secret is for a reference.
 *
 * @param config the vault's, with the reference's options
 * @throws VaultplaneError key_not_found, key_not_scalar, not_json, not_base64
 */
export function deliver(secret: SecretValue, pick: Pick, config: VaultConfig): Delivered {
  const value = secret.pick(pick);
  return config.base64_decode === true ? decodeBase64(value) : { value, encoding: secret.encoding };
}

function pickOf(reference: Reference): Pick {
  if (reference.key !== undefined) return { key: reference.key };
  const pointer = reference.options?.json_pointer;
  return pointer === undefined ? 'whole' : { pointer };
}
