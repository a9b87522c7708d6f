import { UsageError } from '@vaultplane/shared/errors.ts';
import type { Command } from 'commander';
import { lookUp } from '../delivery/lookup.ts';
import { commandWithSettings, quietLog, readSettings, type SettingsOption } from './settings-option.ts';

export function getCommand(): Command {
  return commandWithSettings('get')
    .description(
      'Print the value of a reference: through the data plane that runs here, or with none running by itself.',
    )
    .argument('<reference>', 'such as {vault://aws/db/password}')
    .option('--json', 'print the value with its state, version and times as JSON')
    .action(async (reference: string, options: SettingsOption & { json?: boolean }) => {
      const settings = await readSettings(options);
      const [result] = await lookUp(settings, [reference], { log: quietLog(), env: process.env });
      if (!result) throw new Error('the data plane gave no answer');
      if ('error' in result) throw lookupError(result.error);
      if (options.json) console.log(JSON.stringify(result));
      // For a program the value and nothing else; for a person a line.
      else process.stdout.write(process.stdout.isTTY ? `${result.value}\n` : result.value);
    });
}

const WRONG_USAGE: readonly string[] = ['not_a_reference', 'invalid_reference', 'invalid_option'];

/** What a failed lookup is to a command: a wrong reference is wrong usage. */
export function lookupError({ code, message }: { code: string; message: string }): Error {
  return WRONG_USAGE.includes(code) ? new UsageError(`${code}: ${message}`) : new Error(`${code}: ${message}`);
}
