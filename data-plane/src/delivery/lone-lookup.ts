import { join } from 'node:path';
import { ClientError, Secret } from '@vaultplane/client';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { startResolver } from '../cache/resolver.ts';
import { SNAPSHOT_FILE_NAME } from '../config-sync/configuration.ts';
import { readSnapshotFile, type SavedConfiguration } from '../config-sync/snapshot-file.ts';
import { resolvedBody } from '../endpoints/resolve.ts';
import { type DataPlaneSettings, diskKeyring } from '../settings.ts';
import { readPolicy } from '../upstream-policy.ts';

export type LookupResult = Secret | ClientError;

/**
 * Resolves references once with no data plane running, from the settings and the configuration that the disk has, under the
 * same upstream_policy.
 *
 * @throws StartError where the file of upstream_policy can't be used
 */
export async function lookUpAlone(
  settings: DataPlaneSettings,
  references: readonly string[],
  { log, env }: { log: Log; env: NodeJS.ProcessEnv },
): Promise<LookupResult[]> {
  const saved = await savedConfiguration(settings, log);
  const policy = readPolicy(settings)?.policy;
  const resolver = startResolver({
    clock: systemClock,
    log,
    env,
    settings,
    upstreamPolicy: policy,
    isCredentialVariable: (name) => policy?.namesVariable(name) === true,
  });
  // The clock's timers keep no process alive; a command waits for its answer all the same.
  const stayAlive = setInterval(() => {}, 60_000);
  try {
    resolver.configure({ snapshot: saved?.snapshot ?? null, defaults: saved?.defaults ?? {} });
    const results = await resolver.resolveMany(references);
    return results.map((result, index) =>
      result instanceof VaultplaneError
        ? new ClientError(result.code, result.message, { reference: references[index] })
        : new Secret(resolvedBody(result, saved?.snapshot.version ?? null)),
    );
  } finally {
    await resolver.stop();
    clearInterval(stayAlive);
  }
}

async function savedConfiguration(settings: DataPlaneSettings, log: Log): Promise<SavedConfiguration | undefined> {
  try {
    return await readSnapshotFile(join(settings.data_dir, SNAPSHOT_FILE_NAME), diskKeyring(settings));
  } catch (error) {
    // A command leaves the file as it is: setting it aside is the data plane's business.
    log.warn(
      { error: errorMessage(error) },
      'the configuration on disk can not be used; only vaults of the settings are known',
    );
    return undefined;
  }
}
