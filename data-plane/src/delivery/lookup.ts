import { type ClientError, DataPlaneUnreachable } from '@vaultplane/client';
import { UsageError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { connectLocally } from './local-data-plane.ts';
import type { LookupResult } from './lone-lookup.ts';

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
    // Most lookups never need what this loads, the AWS SDK among it.
    const { lookUpAlone } = await import('./lone-lookup.ts');
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
