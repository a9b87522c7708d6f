import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference, triesNextReading } from '@vaultplane/model/references/reference.ts';
import { type Address, addressOf, deliver, type ReadingAddress } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { VariableRules } from '@vaultplane/model/vaults/variable-rules.ts';
import { type VaultSettings, vaultConfigOf } from '@vaultplane/model/vaults/vault-settings.ts';
import { type VaultType, withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { deadlinesOf, type FetchedSecret, type SecretBackend } from '../backend.ts';
import { type BackendSource, Backends } from '../backends.ts';

export interface SettingResolverOptions {
  /** The settings known so far; those named `vault_<type>_<field>` configure the vaults. */
  settings: Record<string, unknown>;
  env: NodeJS.ProcessEnv;
  log: Log;
  /** For tests: where secrets come from, in place of real vaults. */
  backends?: BackendSource;
}

/** What a setting that is a reference means. */
export interface SettingAddress {
  type: VaultType;
  /** What settings say of the vault. */
  config: VaultConfig;
  address: Address;
}

/**
 * What a setting that is a reference means, as the other settings say. Only the vaults that settings configure can be
 * named: entities are in the database that such a setting may open.
 *
 * @throws VaultplaneError
 */
export function settingAddress(settings: Record<string, unknown>, text: string): SettingAddress {
  const reference = parseReference(text);
  const type = VAULT_TYPES.get(reference.vault);
  if (!type) {
    const known = [...VAULT_TYPES.keys()].join(' and ');
    throw new VaultplaneError('unknown_vault', `a setting can refer to the vaults ${known}, not to ${reference.vault}`);
  }
  const config = vaultConfigOf(type, settings as VaultSettings);
  return { type, config, address: addressOf(type, withDefaults(type, config), reference) };
}

/**
 * Resolves settings that are references (specification.md §2), each asked for once.
 *
 * @returns a function that rejects with VaultplaneError
 */
export function settingResolver({
  settings,
  env,
  log,
  backends,
}: SettingResolverOptions): (reference: string) => Promise<string> {
  return async (text) => {
    const { type, config, address } = settingAddress(settings, text);
    const trusted = settings.ssl_trusted_certificate;
    // Of what is this machine's own, the settings may refer to all.
    const shared = type.local ? undefined : backends;
    const source =
      shared ??
      new Backends({
        env,
        variables: VariableRules.NONE,
        log,
        trustedCertificates: Array.isArray(trusted) ? trusted : ['system'],
        homeRegion: typeof config.region === 'string' ? config.region : undefined,
        deadlines: deadlinesOf(settings),
        counts: { calls: 0, errors: 0, throttled: 0 },
      });
    try {
      const from = address.regionFrom ?? (config.region === undefined ? undefined : 'vault_aws_region');
      const backend = await source.open(type.name, address.config, { origin: 'own', regionFrom: from });
      return await firstReading(backend, address, text);
    } catch (error) {
      if (error instanceof VaultplaneError) throw error;
      throw new VaultplaneError('internal', `the vault's backend failed (${(error as Error)?.name})`);
    } finally {
      if (!shared) source.stop();
    }
  };
}

async function firstReading(backend: SecretBackend, { readings, config }: Address, reference: string): Promise<string> {
  const failures: VaultplaneError[] = [];
  for (const reading of readings) {
    if (!reading) break;
    const found = await fetchOnce(backend, reading);
    const value = found instanceof BackendError ? found : delivered(found, reading, config);
    if (typeof value === 'string') return value;
    if (!(value instanceof BackendError) && !triesNextReading(reference, value.code)) throw value;
    failures.push(value);
    if (value.code === 'unavailable') break;
  }
  const decisive = failures.find(({ code }) => code === 'unavailable') ?? failures[0]!;
  throw new VaultplaneError(decisive.code, failures.map(errorMessage).join('; '));
}

function delivered({ value }: FetchedSecret, { pick }: ReadingAddress, config: VaultConfig): string | VaultplaneError {
  try {
    return deliver(value, pick, config).value;
  } catch (error) {
    if (error instanceof VaultplaneError) return error;
    throw error;
  }
}

async function fetchOnce(backend: SecretBackend, reading: ReadingAddress): Promise<FetchedSecret | BackendError> {
  try {
    return await backend.fetch(reading.query, new AbortController().signal);
  } catch (error) {
    if (error instanceof BackendError) return error;
    throw error;
  }
}
