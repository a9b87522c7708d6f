import { UsageError } from '@vaultplane/shared/errors.ts';
import { ExitStatus } from '@vaultplane/shared/lifecycle.ts';
import type { Command } from 'commander';
import { runChild } from '../delivery/child.ts';
import { lookUp } from '../delivery/lookup.ts';
import { lookupError } from './get.ts';
import { commandWithSettings, quietLog, readSettings, type SettingsOption } from './settings-option.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function execCommand(): Command {
  return commandWithSettings('exec')
    .description("Run a command with references' values in its environment, and nowhere else.")
    .usage('[--env NAME=REFERENCE]... -- COMMAND [ARGUMENT]...')
    .argument('<command...>', 'the command and its arguments')
    .option('--env <name=reference>', 'a variable for the command; can be given several times', collect, [])
    .passThroughOptions()
    .action(async (command: string[], options: SettingsOption & { env: string[] }) => {
      const variables = options.env.map(parseVariable);
      const settings = await readSettings(options);
      const values = await valuesOf(variables, (references) =>
        lookUp(settings, references, { log: quietLog(), env: process.env }),
      );
      const status = await runChild(command, { ...process.env, ...values });
      if (status !== 0) throw new ExitStatus(status);
    });
}

interface Variable {
  name: string;
  reference: string;
}

function parseVariable(text: string): Variable {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  if (!VARIABLE.test(name)) throw new UsageError('--env must have the form NAME={vault://…}');
  return { name, reference: text.slice(at + 1) };
}

async function valuesOf(
  variables: Variable[],
  look: (references: string[]) => ReturnType<typeof lookUp>,
): Promise<NodeJS.ProcessEnv> {
  if (variables.length === 0) return {};
  const results = await look(variables.map(({ reference }) => reference));
  const values: NodeJS.ProcessEnv = {};
  for (const [index, { name }] of variables.entries()) {
    const result = results[index]!;
    if ('error' in result) {
      const error = lookupError(result.error);
      error.message = `${name}: ${error.message}`;
      throw error;
    }
    if (result.value.includes('\0'))
      throw new Error(`${name}: the value has a NUL, which no environment variable can hold`);
    values[name] = result.value;
  }
  return values;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
