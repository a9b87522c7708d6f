import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorMessage, UsageError } from '@vaultplane/shared/errors.ts';
import { aborted, stopOnSignals } from '@vaultplane/shared/lifecycle.ts';
import { shownPath } from '@vaultplane/shared/shown-text.ts';
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { parseOwner } from '../delivery/file-owner.ts';
import { followReferences } from '../delivery/followed-references.ts';
import { connectLocally } from '../delivery/local-data-plane.ts';
import { lookUp } from '../delivery/lookup.ts';
import { RenderedOutput, type WriteSignals } from '../delivery/rendered-output.ts';
import { Rendering, type RenderingJob } from '../delivery/rendering.ts';
import { TemplateError } from '../delivery/template.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { quietLog, readSettings, warn } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

interface RenderOptions extends SettingsOption {
  output: string;
  mode: string;
  owner?: string;
  watch?: boolean;
  exec?: string;
}

export function renderCommand(): Command {
  return commandWithSettings('render')
    .description(
      'Make a file from a template with secrets in it. A file is replaced as a whole, when it differs, and only once ' +
        'every value is there.',
    )
    .argument('<template...>', 'one template; or several, with -o a folder')
    .requiredOption(
      '-o, --output <file>',
      'the file to make, a pipe, or - for standard output; or a folder, for files named as the templates without .tmpl or .hbs',
    )
    .option('--mode <octal>', "the file's mode", '0600')
    .option('--owner <user:group>', "the file's owner and group, or one of them")
    .option('--watch', 'go on, and make it anew whenever a value rotates (SIGHUP: read the templates anew)')
    .option('--exec <command>', 'a command for sh to run after a change, such as "nginx -s reload"')
    .addHelpText('after', TEMPLATE_HELP)
    .action(async (templates: string[], options: RenderOptions) => {
      const rendering = new Rendering(await jobsOf(templates, options), process.env);
      await rendering.check();
      await rendering.load();
      const settings = await readSettings(options);
      if (options.watch) await keepRendered(rendering, settings, options.exec);
      else {
        const changed = await rendering.write(await rendering.make((references) => lookUpOnce(settings, references)), {
          onWaiting,
        });
        if (changed && options.exec !== undefined) await runShell(options.exec);
      }
    });
}

const TEMPLATE_HELP = `
In a template (Handlebars, nothing is escaped by itself):
  {{ secret "{vault://aws/db/password}" }}          the value
  {{ json "{vault://aws/db/password}" }}            as JSON: in quotes, with escapes
  {{ shell (secret "{vault://aws/db/password}") }}  quoted for sh
  {{#with (fromJson "{vault://aws/db}")}}{{user}}:{{password}}{{/with}}
                                                    members of a whole secret
  {{ base64 (secret "…") }}  {{ env "HOSTNAME" }}   and if, unless, each, lookup

A reference is one only where the template has it in quotes: a value or a variable that looks like one is text.`;

async function jobsOf(templates: string[], { output, mode, owner }: RenderOptions): Promise<RenderingJob[]> {
  if (!/^[0-7]{3,4}$/.test(mode)) throw new UsageError(`--mode ${mode} must be octal, such as 0640`);
  const how = { mode: Number.parseInt(mode, 8), owner: owner === undefined ? undefined : await parseOwner(owner) };
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

/** Renders now and at every change, until a signal ends it. What fails is said, leaves the files as they are, and is tried again. */
async function keepRendered(
  rendering: Rendering,
  settings: DataPlaneSettings,
  command: string | undefined,
): Promise<void> {
  const stop = stopOnSignals();
  const client = await connectLocally(settings);
  client.onState((state) => {
    if (state === 'disconnected') warn('no data plane answers; the files stay as they are until one does');
  });
  const follower = new Follower(client, () => schedule(false));
  let giveUp = new AbortController();
  const renderNow = async (reload: boolean, look: Parameters<Rendering['make']>[0]) => {
    let changed = false;
    giveUp = new AbortController();
    const signals: WriteSignals = { giveUp: giveUp.signal, stop, onWaiting };
    try {
      if (reload) await rendering.load();
      const texts = await rendering.make(look).finally(() => follower.follow(rendering.references));
      changed = await rendering.write(texts, signals);
    } catch (error) {
      if (isOurs(error) && !reload) throw error;
      if (!stop.aborted) warn(errorMessage(error));
    }
    if (changed && command !== undefined) await runShell(command).catch((error) => warn(errorMessage(error)));
  };
  // One after another: two at a time could put the older text over the newer one.
  let last = Promise.resolve();
  const schedule = (reload: boolean) => {
    // What waits for a reader of a pipe is old by now.
    giveUp.abort();
    last = last.then(() => (stop.aborted ? undefined : renderNow(reload, (references) => client.lookUp(references))));
    last.catch((error) => warn(errorMessage(error)));
    last = last.catch(() => {});
  };
  const onHangUp = () => schedule(true);
  process.on('SIGHUP', onHangUp);
  // A template without a reference has nothing that would keep the process alive.
  const stayAlive = setInterval(() => {}, 60_000);
  try {
    await renderNow(false, (references) => lookUpOnce(settings, references));
    await aborted(stop);
    await last;
  } finally {
    clearInterval(stayAlive);
    process.off('SIGHUP', onHangUp);
    client.close();
  }
}

/** What no rotation will mend. */
function isOurs(error: unknown): boolean {
  return error instanceof UsageError || error instanceof TemplateError;
}

/** Follows the references that the templates ask for, which may be others after a change. */
class Follower {
  readonly #client: Client;
  readonly #onChange: () => void;
  #followed = '';
  #stop = () => {};

  constructor(client: Client, onChange: () => void) {
    this.#client = client;
    this.#onChange = onChange;
  }

  follow(references: string[]): void {
    const followed = JSON.stringify(references);
    if (followed === this.#followed) return;
    this.#followed = followed;
    this.#stop();
    this.#stop = followReferences({
      client: this.#client,
      references,
      onChange: this.#onChange,
    });
  }
}

async function runShell(command: string): Promise<void> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit' });
  const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (status !== 0) throw new Error(`the command of --exec ended with ${signal ?? `status ${status}`}`);
}
