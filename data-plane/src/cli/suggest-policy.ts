import { type GrantForm, mergedGrants } from '@vaultplane/model/upstream-policy/grant.ts';
import { DEFAULT_POLICY } from '@vaultplane/model/upstream-policy/policy.ts';
import { verdictOf } from '@vaultplane/model/upstream-policy/verdict.ts';
import { VaultDirectory } from '../cache/vault-directory.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { readPolicy } from '../upstream-policy.ts';
import { readConfiguration } from './check-vaults.ts';

export interface SuggestedPolicy {
  /** What the stored configuration needs beside the policy that there is. */
  grants: GrantForm[];
  /** One line for each vault that would not be used. */
  why: string[];
}

/**
 * The grants without which vaults of the stored configuration would not be used.
 *
 * @throws StartError where there is no configuration, or the policy that there is can't be read
 */
export async function suggestPolicy(settings: DataPlaneSettings): Promise<SuggestedPolicy> {
  const policy = readPolicy(settings)?.policy ?? DEFAULT_POLICY;
  const { saved, finding } = await readConfiguration(settings);
  if (!saved) throw new Error(`there is no stored configuration to suggest grants for: ${finding.says}`);
  const directory = new VaultDirectory(settings, policy);
  directory.configure(saved.snapshot, saved.defaults);
  const grants: GrantForm[] = [];
  const why: string[] = [];
  for (const { prefix, type, config, origin } of directory.all()) {
    const refusal = origin === 'own' ? null : verdictOf(policy, type, config);
    if (!refusal) continue;
    grants.push(...refusal.grants);
    why.push(`vault ${prefix}: ${refusal.message}`);
  }
  return { grants: mergedGrants(grants), why };
}

/** As a file of upstream_policy, one grant a line. */
export function printPolicy(grants: readonly GrantForm[]): string {
  const lines = grants.map((grant) => `    ${JSON.stringify(grant)}`);
  return lines.length === 0 ? '{ "grants": [] }' : `{\n  "grants": [\n${lines.join(',\n')}\n  ]\n}`;
}
