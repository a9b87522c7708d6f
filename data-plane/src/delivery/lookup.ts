import { join } from 'node:path';
import { systemClock } from '@vaultplane/shared/clock.ts';
import { errorMessage, UsageError, VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import { resolvedBody } from '../api/resolve.ts';
import { ClientError, DataPlaneUnreachable, Secret } from '../client/client.ts';
import { SNAPSHOT_FILE_NAME } from '../configuration/configuration.ts';
import { readSnapshotFile, type SavedConfiguration } from '../configuration/snapshot-file.ts';
import { startResolver } from '../secrets/resolver.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { connectLocally } from './local-data-plane.ts';

export type LookupResult = Secret | ClientError;

/**
 * Resolves references for a command: through the data plane that runs on this machine with the same settings, and
 * with none running once by itself, from the settings and the configuration that the disk has.
 */
export async function lookUp(
  settings: DataPlaneSettings,
  references: readonly string[],
  options: { log: Log; env: NodeJS.ProcessEnv },
): Promise<LookupResult[]> {
  const client = await connectLocally(settings);
  try {
    return await client.lookUp(references);
  } catch (error) {
    if (!(error instanceof DataPlaneUnreachable && error.absent)) throw error;
    return lookUpAlone(settings, references, options);
  } finally {
    client.close();
  }
}

const WRONG_USAGE: readonly string[] = ['bad_request', 'not_a_reference', 'invalid_reference', 'invalid_option'];

/** What a failed lookup is to a command: a wrong reference is wrong usage. @param about what the reference is for */
export function lookupError({ code, message }: ClientError, about?: string): Error {
  const text = `${about === undefined ? '' : `${about}: `}${code}: ${message}`;
  return WRONG_USAGE.includes(code) ? new UsageError(text) : new Error(text);
}

async function lookUpAlone(
  settings: DataPlaneSettings,
  references: readonly string[],
  { log, env }: { log: Log; env: NodeJS.ProcessEnv },
): Promise<LookupResult[]> {
  const saved = await savedConfiguration(settings, log);
  const resolver = startResolver({ clock: systemClock, log, env, settings });
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
    return await readSnapshotFile(join(settings.data_dir, SNAPSHOT_FILE_NAME));
  } catch (error) {
    // A command leaves the file as it is: setting it aside is the data plane's business.
    log.warn(
      { error: errorMessage(error) },
      'the configuration on disk can not be used; only vaults of the settings are known',
    );
    return undefined;
  }
}
