import type { VaultConfig } from '../../vaults/entity.ts';
import { withDefaults } from '../../vaults/vault-type.ts';
import { VAULT_TYPES } from '../../vaults/vault-types.ts';
import { DEFAULT_POLICY, UpstreamPolicy } from '../policy.ts';
import { parsePolicy } from '../policy-form.ts';
import { verdictOf } from '../verdict.ts';

/** The defaults, and the grants that the refusal of a pushed vault asks for. */
export function suggestedPolicy(typeName: string, config: VaultConfig): UpstreamPolicy {
  const type = VAULT_TYPES.get(typeName)!;
  const grants = verdictOf(DEFAULT_POLICY, type, withDefaults(type, config))?.grants ?? [];
  return new UpstreamPolicy(parsePolicy(JSON.stringify({ grants }), { envPrefix: '' }));
}
