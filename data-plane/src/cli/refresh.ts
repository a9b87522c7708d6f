import { ClientError } from '@vaultplane/client';
import { dataPlaneAt } from '@vaultplane/client/connect-options.ts';
import type { Command } from 'commander';
import type { RefreshOutcome } from '../cache/refresh-now.ts';
import { localDataPlane } from '../delivery/local-data-plane.ts';
import { lookupError } from '../delivery/lookup.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

/** For everything that a data plane holds, which it fetches in batches. */
const TIMEOUT_MS = 300_000;

export function refreshCommand(): Command {
  return commandWithSettings('refresh')
    .description('Have the data plane that runs here fetch anew what it holds; what it holds is served meanwhile.')
    .argument('[prefix[/path]]', 'a vault, or a secret of it as in a reference, such as aws/db; everything if left out')
    .option('--json', 'print what came of it as JSON')
    .action(async (of: string | undefined, options: SettingsOption & { json?: boolean }) => {
      const answer = await refresh(await readSettings(options), of);
      console.log(options.json ? JSON.stringify(answer) : describe(answer));
      if (answer.failed > 0) process.exitCode = 1;
    });
}

async function refresh(settings: DataPlaneSettings, of: string | undefined): Promise<RefreshOutcome> {
  const dataPlane = dataPlaneAt(await localDataPlane(settings));
  try {
    const call = { body: { of }, timeoutMs: TIMEOUT_MS, keepsAlive: true };
    return (await dataPlane.json('POST', '/v1/refresh', call)) as RefreshOutcome;
  } catch (error) {
    throw error instanceof ClientError ? lookupError(error) : error;
  } finally {
    dataPlane.close();
  }
}

function describe({ asked, refreshed, changed, failed }: RefreshOutcome): string {
  const rest = failed > 0 ? `, ${failed} could not be fetched and ${failed === 1 ? 'is' : 'are'} served as before` : '';
  return `${refreshed} of ${asked} secrets fetched, ${changed} with a new version${rest}`;
}
