import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { needs } from '@vaultplane/platform/cli/option-rules.ts';
import { errorMessage, UsageError } from '@vaultplane/platform/errors.ts';
import { ExitStatus, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { Command } from 'commander';
import { parseOwner } from '../delivery/file-owner.ts';
import { KeptRendering } from '../delivery/kept-rendering.ts';
import { connectLocally } from '../delivery/local-data-plane.ts';
import { lookUp } from '../delivery/lookup.ts';
import { RenderedOutput } from '../delivery/rendered-output.ts';
import { Rendering, type RenderingJob } from '../delivery/rendering.ts';
import { runShell } from '../delivery/shell-command.ts';
import { statusOf } from '../delivery/supervision/signals.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { quietLog, readSettings, warn } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';
import { secondsOf } from './time-option.ts';

interface RenderOptions extends SettingsOption {
  output: string;
  binary?: boolean;
  mode?: string;
  owner?: string;
  watch?: boolean;
  exec?: string;
  execTimeout: string;
}

export function renderCommand(): Command {
  const command = commandWithSettings('render')
    .description(
      'Make a file from a template with secrets in it. A file is replaced as a whole, when it differs, and only once ' +
        'every value is there.',
    )
    .argument('<template...>', 'one template; or several, with -o a folder')
    .requiredOption(
      '-o, --output <file>',
      'the file to make, a pipe, or - for standard output; or a folder, for files named as the templates without .tmpl or .hbs',
    )
    .option('--binary', 'put the bytes of a binary secret, where its base64 is put otherwise')
    .option('--mode <octal>', "the file's mode (default: that of the file that is there, else 0600)")
    .option(
      '--owner <user:group>',
      "the file's owner and group, or one of them (default: those of the file that is there, else this user)",
    )
    .option('--watch', 'go on, and make it anew whenever a value rotates (SIGHUP: read the templates anew)')
    .option(
      '--exec <command>',
      'a command for sh to run after a change, such as "nginx -s reload"; one that fails is run again, by the next run or, with --watch, with backoff',
    )
    .option('--exec-timeout <time>', 'how long that may take: 30s, 5m; 0: as long as it likes', '1m')
    .addHelpText('after', TEMPLATE_HELP)
    .action(async (templates: string[], options: RenderOptions) => {
      const limitMs = timeoutMs(options.execTimeout);
      const { exec } = options;
      const rendering = new Rendering(await jobsOf(templates, options), {
        env: process.env,
        binary: options.binary === true,
      });
      await rendering.check();
      await rendering.load();
      const settings = await readSettings(options);
      const command =
        exec === undefined ? undefined : (stop: AbortSignal) => runShell(exec, { timeoutMs: limitMs, stop });
      await (options.watch ? keepRendered : renderOnce)(rendering, settings, command);
    });
  return needs(command, '--exec-timeout', '--exec');
}

const TEMPLATE_HELP = `
In a template (Handlebars, nothing is escaped by itself):
  {{ secret "{vault://aws/db/password}" }}          the value
  {{ json "{vault://aws/db/password}" }}            as JSON: in quotes, with escapes
  {{ shell (secret "{vault://aws/db/password}") }}  quoted for sh
  {{#with (fromJson "{vault://aws/db}")}}{{user}}:{{password}}{{/with}}
                                                    members of a whole secret
  {{ base64 "{vault://aws/keystore}" }}             base64; of the bytes where the secret is binary
  {{ decode "{vault://aws/keystore}" }}             the bytes of a binary secret, or of a value in base64
  {{ env "HOSTNAME" }}                              and if, unless, each, lookup

A reference is one only where the template has it in quotes: a value or a variable that looks like one is text.`;

async function jobsOf(templates: string[], { output, mode, owner, exec }: RenderOptions): Promise<RenderingJob[]> {
  if (mode !== undefined && !/^[0-7]{3,4}$/.test(mode))
    throw new UsageError(`--mode ${mode} must be octal, such as 0640`);
  if (output === '-' && (mode !== undefined || owner !== undefined)) {
    throw new UsageError(`${mode === undefined ? '--owner' : '--mode'} is of a file, and -o - is standard output`);
  }
  const how = {
    mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
    owner: owner === undefined ? undefined : await parseOwner(owner),
    hasCommand: exec !== undefined,
  };
  const isFolder = output !== '-' && ((await stat(output).catch(() => null))?.isDirectory() ?? false);
  if (!isFolder) {
    if (templates.length > 1 || output.endsWith('/'))
      throw new UsageError(`-o ${output} must be a folder that is there, since there are several templates for it`);
    return [{ templatePath: templates[0]!, output: new RenderedOutput(output, how) }];
  }
  const jobs = templates.map((templatePath) => {
    const path = join(output, basename(templatePath).replace(/\.(tmpl|hbs)$/, ''));
    return { templatePath, output: new RenderedOutput(path, how) };
  });
  const paths = new Set(jobs.map(({ output }) => output.path));
  if (paths.size < jobs.length) throw new UsageError(`two of the templates would make the same file in ${output}`);
  return jobs;
}

function lookUpOnce(settings: DataPlaneSettings, references: readonly string[]): ReturnType<typeof lookUp> {
  return lookUp(settings, references, { log: quietLog(), env: process.env });
}

function onWaiting(path: string): void {
  warn(`waiting for a reader of ${shownPath(path)}`);
}

/** Renders now and at every change, until a signal ends it. */
async function keepRendered(
  rendering: Rendering,
  settings: DataPlaneSettings,
  command: ((stop: AbortSignal) => Promise<void>) | undefined,
): Promise<void> {
  const stop = stopOnSignals();
  const client = await connectLocally(settings);
  client.onState((state) => {
    if (state === 'disconnected') warn('no data plane answers; the files stay as they are until one does');
  });
  try {
    const lookUpFirst = (references: string[]) => lookUpOnce(settings, references);
    await new KeptRendering({ rendering, client, lookUpFirst, command, stop, warn, onWaiting }).run();
  } finally {
    client.close();
    // A reader of standard output that does not read would keep this process alive.
    if (stop.aborted && process.stdout.writableLength > 0) process.exit(process.exitCode);
  }
}

/** Renders once. What could not be written, and a command that failed, are left to the next run. */
async function renderOnce(
  rendering: Rendering,
  settings: DataPlaneSettings,
  command: ((stop: AbortSignal) => Promise<void>) | undefined,
): Promise<void> {
  const texts = await rendering.make((references) => lookUpOnce(settings, references));
  const files = await rendering.writeFiles(texts);
  const streams = await rendering.writeStreams(texts, { onWaiting });
  const failures: unknown[] = [...files.failures, ...streams.failures];
  if (command && (files.isOwed || streams.isOwed)) {
    const run = () => passingSignals(command).then(() => rendering.settle());
    await run().catch((error) => {
      if (error instanceof ExitStatus) throw error;
      failures.push(error);
    });
  }
  const last = failures.pop();
  for (const failure of failures) warn(errorMessage(failure));
  if (last !== undefined) throw last;
}

/** Runs a command in a group of its own, which a signal to this program ends too. @throws ExitStatus where one came */
async function passingSignals(command: (stop: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => controller.abort(new ExitStatus(statusOf(signal)));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    await command(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

function timeoutMs(text: string): number {
  const seconds = text === '0' ? 0 : secondsOf(text);
  if (seconds === undefined || seconds > 86_400)
    throw new UsageError(`--exec-timeout ${text} must be a time such as 30s, 5m or 1h, or 0 for none`);
  return seconds * 1000;
}
