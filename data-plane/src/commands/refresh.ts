import { UsageError } from '@vaultplane/shared/errors.ts';
import type { Command } from 'commander';
import type { ErrorBody } from '../api/answer.ts';
import { LocalApi } from '../delivery/local-api.ts';
import type { RefreshOutcome } from '../secrets/refresh-now.ts';
import { commandWithSettings, readSettings, type SettingsOption } from './settings-option.ts';

export function refreshCommand(): Command {
  return commandWithSettings('refresh')
    .description('Have the data plane that runs here fetch anew what it holds; what it holds is served meanwhile.')
    .argument('[prefix[/path]]', 'a vault, or a secret of it as in a reference, such as aws/db; everything if left out')
    .option('--json', 'print what came of it as JSON')
    .action(async (of: string | undefined, options: SettingsOption & { json?: boolean }) => {
      const api = await LocalApi.of(await readSettings(options));
      const answer = (await api.json('POST', '/v1/refresh', { of })) as RefreshOutcome & { error?: ErrorBody };
      if (answer.error) throw refreshError(answer.error);
      console.log(options.json ? JSON.stringify(answer) : describe(answer));
      if (answer.failed > 0) process.exitCode = 1;
    });
}

const WRONG_USAGE: readonly string[] = ['bad_request', 'not_a_reference', 'invalid_reference', 'invalid_option'];

function refreshError({ code, message }: ErrorBody): Error {
  return WRONG_USAGE.includes(code) ? new UsageError(`${code}: ${message}`) : new Error(`${code}: ${message}`);
}

function describe({ asked, refreshed, changed, failed }: RefreshOutcome): string {
  const rest = failed > 0 ? `, ${failed} could not be fetched and ${failed === 1 ? 'is' : 'are'} served as before` : '';
  return `${refreshed} of ${asked} secrets fetched, ${changed} with a new version${rest}`;
}
