import type { Client } from '@vaultplane/client';
import { needs } from '@vaultplane/platform/cli/option-rules.ts';
import { UsageError } from '@vaultplane/platform/errors.ts';
import { ExitStatus } from '@vaultplane/platform/lifecycle.ts';
import { type Command, Option } from 'commander';
import { parseAssignment, readEnvFile } from '../delivery/env-file.ts';
import { SecretEnvironment, UnfitValue } from '../delivery/environment.ts';
import { followReferences } from '../delivery/followed-references.ts';
import { connectLocally } from '../delivery/local-data-plane.ts';
import { lookUp } from '../delivery/lookup.ts';
import { parseSignal } from '../delivery/signal-name.ts';
import { GroupWitness } from '../delivery/supervision/group-witness.ts';
import { inheritedFiles } from '../delivery/supervision/inherited-files.ts';
import { CaughtSignals, ignoredSignals, PASSED_SIGNALS } from '../delivery/supervision/signals.ts';
import { SupervisedCommand } from '../delivery/supervision/supervised-command.ts';
import { quietLog, readSettings, warn } from './program-settings.ts';
import { collect, commandWithSettings, type SettingsOption } from './settings-option.ts';

interface ExecOptions extends SettingsOption {
  env: string[];
  envFile: string[];
  restartOnRotation?: boolean;
  signal?: string;
  grace: string;
  /** Given by bin/vaultplane-dp. */
  ignoredSignals?: string;
}

export function execCommand(): Command {
  const command = commandWithSettings('exec')
    .description(
      "Run a command with references' values in its environment, and nowhere else. Variables of this environment " +
        'that are references are resolved too. Signals are passed on to the command and to what it has started; the exit ' +
        'status is that of the command.',
    )
    .usage('[options] -- COMMAND [ARGUMENT]...')
    .argument('<command...>', 'the command and its arguments')
    .option('--env <name=reference>', 'a variable for the command; can be given several times', collect, [])
    .option(
      '--env-file <file>',
      'a file with a NAME=value a line, where values may be references; can be given several times',
      collect,
      [],
    )
    .option('--restart-on-rotation', 'restart the command when a value rotates')
    .option('--signal <signal>', 'send the command this signal when a value rotates, such as HUP')
    .option('--grace <seconds>', 'at a restart: between SIGTERM and SIGKILL', '10')
    .addOption(new Option('--ignored-signals <signals>').hideHelp())
    .passThroughOptions()
    .action(async (command: string[], options: ExecOptions) => {
      const onRotation = rotationOf(options);
      const grace = graceMs(options.grace);
      const files = inheritedFiles();
      const ignored = ignoredSignals(options.ignoredSignals);
      const signals = new CaughtSignals(ignored);
      const witness = GroupWitness.start(PASSED_SIGNALS);
      const environment = new SecretEnvironment(process.env, await variablesOf(options));
      const settings = await readSettings(options);
      const { references } = environment;
      const results =
        references.length > 0 ? await lookUp(settings, references, { log: quietLog(), env: process.env }) : [];
      const env = environment.withValues(results);
      const client = onRotation && references.length > 0 ? await connectLocally(settings) : null;
      const run = new SupervisedCommand(command, env, {
        signals,
        witness: await witness,
        graceMs: grace,
        files,
        ignored,
      });
      if (client) followRotations(client, environment, env, (changed) => onRotation!(run, changed));
      const status = await run.ended.finally(() => client?.close());
      if (status !== 0) throw new ExitStatus(status);
    });
  return needs(command, '--grace', '--restart-on-rotation');
}

type OnRotation = (run: SupervisedCommand, env: NodeJS.ProcessEnv) => void;

function rotationOf({ restartOnRotation, signal }: ExecOptions): OnRotation | null {
  if (signal !== undefined) {
    if (restartOnRotation) throw new UsageError('--restart-on-rotation and --signal exclude each other');
    const name = parseSignal(signal);
    return (run) => run.signal(name);
  }
  return restartOnRotation ? (run, env) => run.restart(env) : null;
}

async function variablesOf({ env, envFile }: ExecOptions): Promise<Map<string, string>> {
  const variables = new Map<string, string>();
  for (const file of envFile) for (const [name, value] of await readEnvFile(file)) variables.set(name, value);
  for (const text of env) {
    const assignment = parseAssignment(text);
    // A plain value here would stand in the list of this machine's processes; it may be a secret by mistake.
    if (!assignment?.value.startsWith('{vault://')) throw new UsageError('--env must have the form NAME={vault://…}');
    variables.set(assignment.name, assignment.value);
  }
  return variables;
}

function graceMs(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= 86_400)) throw new UsageError(`--grace ${text} must be seconds, from 0 to 86400`);
  return seconds * 1000;
}

/** Calls `onRotated` with the environment whenever a value in it has become another one, until the client is closed. */
function followRotations(
  client: Client,
  environment: SecretEnvironment,
  first: NodeJS.ProcessEnv,
  onRotated: (env: NodeJS.ProcessEnv) => void,
): void {
  client.onState((state) => {
    if (state === 'disconnected') warn('no data plane answers; rotations are seen once one does');
  });
  let current = first;
  let told: string | undefined;
  followReferences({
    client,
    references: environment.references,
    onProblem: ({ reference, code, message }) =>
      warn(`${reference}: ${code}: ${message}; the command keeps the value that it has`),
    onChange: (results) => {
      let next: NodeJS.ProcessEnv;
      try {
        next = environment.withValues(results);
      } catch (error) {
        // That a reference has no value has been told already.
        if (!(error instanceof UnfitValue) || error.message === told) return;
        told = error.message;
        warn(`${error.message}; the command keeps the value that it has`);
        return;
      }
      told = undefined;
      if (Object.entries(next).every(([name, value]) => current[name] === value)) return;
      current = next;
      onRotated(next);
    },
  });
}
