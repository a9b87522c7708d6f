import { isCredentialReference } from '../vaults/credential-elsewhere.ts';
import type { VaultConfig } from '../vaults/entity.ts';
import type { VaultType } from '../vaults/vault-type.ts';
import type { UpstreamPolicy } from './policy.ts';
import { PolicyRefusal } from './refusal.ts';

/**
 * Why a pushed vault may not be used, as far as its configuration says where it sends what; null where it may.
 *
 * @param config with its type's defaults, and with references where they stand for credentials
 */
export function verdictOf(policy: UpstreamPolicy, type: VaultType, config: VaultConfig): PolicyRefusal | null {
  if (type.uses) return policy.refusalOf(type.name, type.uses(config));
  const field = type.fields.find(({ name, sensitive }) => sensitive && isCredentialReference(config[name]));
  if (!field) return null;
  return new PolicyRefusal(
    `config.${field.name} is a reference, and this build does not know where vaults of type ${type.name} send it`,
  );
}
