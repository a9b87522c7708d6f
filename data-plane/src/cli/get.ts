import { ClientError } from '@vaultplane/client';
import { UsageError } from '@vaultplane/platform/errors.ts';
import type { Command } from 'commander';
import { lookUp, lookupError } from '../delivery/lookup.ts';
import { quietLog, readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

export function getCommand(): Command {
  return commandWithSettings('get')
    .description(
      'Print the value of a reference: through the data plane that runs here, or with none running by itself.',
    )
    .argument('<reference>', 'such as {vault://aws/db/password}, or aws/db/password for short')
    .option('--json', 'print the value with its state, version and times as JSON')
    .option(
      '--raw',
      'print the value as bytes, and nothing else: those of a binary secret, where its base64 is printed otherwise',
    )
    .action(async (reference: string, options: SettingsOption & { json?: boolean; raw?: boolean }) => {
      if (options.json && options.raw) throw new UsageError('--raw and --json exclude each other');
      const settings = await readSettings(options);
      const [result] = await lookUp(settings, [completed(reference)], { log: quietLog(), env: process.env });
      if (result instanceof ClientError) throw lookupError(result);
      if (options.json) console.log(JSON.stringify(result!.toBody()));
      else if (options.raw) process.stdout.write(result!.bytes);
      // For a program the value and nothing else; for a person a line.
      else process.stdout.write(process.stdout.isTTY ? `${result!.value}\n` : result!.value);
    });
}

/** What stands between the braces is enough, as for `kong vault get`. */
function completed(text: string): string {
  return text.startsWith('{') ? text : `{vault://${text}}`;
}
