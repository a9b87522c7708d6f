import { type PolicyFile, readPolicyFile } from '@vaultplane/model/upstream-policy/policy-file.ts';
import type { VaultSettings } from '@vaultplane/model/vaults/vault-settings.ts';
import { FollowedFiles } from '@vaultplane/platform/files/followed-files.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { DataPlaneSettings } from './settings.ts';

/** As often as the files of tokens are looked at. */
const LOOK_EVERY_MS = 1000;

/** Where the policy is, and what its references to variables mean. */
type PolicySettings = Pick<DataPlaneSettings, 'upstream_policy'> & VaultSettings;

/** The policy as its file has it; undefined where upstream_policy is not set. @throws StartError */
export function readPolicy(settings: PolicySettings): PolicyFile | undefined {
  const { upstream_policy: path, vault_env_prefix: prefix } = settings;
  if (path === undefined) return undefined;
  return readPolicyFile(path, { envPrefix: typeof prefix === 'string' ? prefix : '' });
}

/**
 * The policy, as its file is changed while the program runs. One that can't be used any more changes nothing: the last good
 * one stays in force.
 *
 * @returns undefined where upstream_policy is not set
 * @throws StartError where the file can't be used at the start
 */
export function followPolicy(settings: PolicySettings, clock: Clock, log: Log): FollowedFiles<PolicyFile> | undefined {
  const initial = readPolicy(settings);
  if (!initial) return undefined;
  return FollowedFiles.start({
    what: 'upstream_policy',
    initial,
    read: () => readPolicy(settings)!,
    fingerprint: ({ text }) => text,
    everyMs: LOOK_EVERY_MS,
    changed: 'the changed policy is in force',
    clock,
    log,
  });
}
