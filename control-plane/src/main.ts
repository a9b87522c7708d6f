#!/usr/bin/env -S node --disable-sigusr1
import { SettingReferences } from '@vaultplane/backends/setting-values/kept-settings.ts';
import { rereadLogLevelOnHangup } from '@vaultplane/model/settings/log-level.ts';
import { errorMessage, UsageError } from '@vaultplane/platform/errors.ts';
import { aborted, endOnUncaught, runCli, STOP_WITHIN_MS, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { Command, Option } from 'commander';
import { checkSetup } from './cli/check.ts';
import { applyConfig, diffConfig, dumpConfig } from './cli/config.ts';
import { exportKey } from './cli/export-key.ts';
import { listNodes, nodeLines, removeNode, renameNode, revokeNode } from './cli/fleet-node.ts';
import { showMigrations } from './cli/migrate.ts';
import { type InviteOptions, inviteNode } from './cli/node.ts';
import { createToken } from './cli/token.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { createCertificates } from './fleet/certificates.ts';
import { loadControlPlaneSettings } from './settings.ts';
import { ROLES, type Role } from './store/audit-log.ts';
import { PROGRAM_VERSION } from './version.ts';

interface Common {
  conf?: string;
  json?: true;
}

const program = new Command('vaultplane-cp')
  .description(
    'The control plane of vaultplane: it keeps vaults and tells them to data planes. It never sees a secret.',
  )
  .version(PROGRAM_VERSION);

const settingReferences = (readOnly: boolean) =>
  new SettingReferences({ env: process.env, log: createLog('vaultplane-cp', 'warn'), readOnly });

const settingsOf = ({ conf }: Common, references = settingReferences(true)) =>
  loadControlPlaneSettings({ confFile: conf, env: process.env, resolveReference: references.resolve });

/** A command that reads the settings. */
function command(name: string, description: string, parent: Command = program): Command {
  return parent
    .command(name)
    .description(description)
    .option('--conf <file>', 'the settings file (default: /etc/vaultplane/vaultplane.conf, if it is there)');
}

/** An option that may be given more than once. */
function collected(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Prints facts: as JSON if asked for, otherwise as lines. */
function print({ json }: Common, facts: unknown, lines: string[]): void {
  process.stdout.write(json ? `${JSON.stringify(facts, null, 2)}\n` : lines.map((line) => `${line}\n`).join(''));
}

command('start', 'Run the control plane until SIGTERM or SIGINT. SIGHUP reloads log_level and certificates.').action(
  async (options: Common) => {
    const signal = stopOnSignals({ program: 'vaultplane-cp', withinMs: STOP_WITHIN_MS });
    const references = settingReferences(false);
    const settings = await settingsOf(options, references);
    const log = createLog('vaultplane-cp', settings.log_level);
    let controlPlane: ControlPlane | undefined;
    rereadLogLevelOnHangup(
      log,
      { confFile: options.conf, env: process.env },
      (from) => void controlPlane?.noteLogLevel(from),
    );
    controlPlane = await startControlPlane(settings, {
      log,
      signal,
      settingReferences: references,
    }).catch((error: unknown) => {
      // Told to stop while it still waited for its database: that is no failure.
      if (signal.aborted) return undefined;
      throw error;
    });
    if (!controlPlane) return;
    process.on('SIGHUP', () => void controlPlane?.rereadCertificates());
    await aborted(signal);
    log.info({}, 'stopping');
    await controlPlane.stop();
    log.info({}, 'stopped');
  },
);

command('migrate', "Bring the database to this program's schema; with --status only say where it is.")
  .option('--status', 'change nothing')
  .option('--json', 'print facts as JSON')
  .action(async (options: Common & { status?: true }) => {
    const { facts, lines } = await showMigrations(await settingsOf(options), !options.status);
    print(options, facts, lines);
  });

command('check', 'Say whether the control plane could start: settings, certificates, database. Changes nothing.')
  .option('--json', 'print facts as JSON')
  .action(async (options: Common) => {
    const { facts, lines, ok } = await checkSetup(await settingsOf(options));
    print(options, facts, lines);
    if (!ok) process.exitCode = 1;
  });

const certs = program.command('certs').description('Certificates of the cluster link.');
certs
  .command('create')
  .description(
    'Make cluster.crt and cluster.key for all (shared), or with --node a CA and a certificate of one node (pki).',
  )
  .requiredOption('--out <dir>', 'where the files go')
  .option('--node <name>', "the node's name: its common name, and its DNS name")
  .addOption(
    new Option('--for <program>', 'with --node: what the certificate is good for, and nothing else').choices([
      'control-plane',
      'data-plane',
    ]),
  )
  .option('--json', 'print facts as JSON')
  .action(async (options: Common & { out: string; node?: string; for?: 'control-plane' | 'data-plane' }) => {
    if (options.for && options.node === undefined) throw new UsageError('--for goes with --node NAME only');
    const usage = options.for === undefined ? 'both' : options.for === 'control-plane' ? 'server' : 'client';
    const files = await createCertificates(options.out, options.node, usage);
    print(options, { files }, files);
  });

command(
  'export-key',
  'Print the public half of the export key, for config_export_public_key of data planes; one is made if there is none.',
)
  .option('--replace', 'make a new key first: data planes refuse it until they are told (vaultplane-dp trust)')
  .option('--json', 'print facts as JSON')
  .action(async (options: Common & { replace?: true }) => {
    const facts = await exportKey(await settingsOf(options), { replace: options.replace === true });
    print(options, facts, [facts.public_key.trimEnd()]);
  });

const token = program.command('token').description('Tokens of the Admin API.');
command('create', 'Make a token and print it: it is shown this once.', token)
  .addOption(new Option('--role <role>', 'what it may').choices(ROLES).makeOptionMandatory())
  .option('--name <name>', 'what it is for')
  .option('--json', 'print facts as JSON')
  .action(async (options: Common & { role: Role; name?: string }) => {
    const made = await createToken(await settingsOf(options), options.role, options.name ?? null);
    print(options, made, [made.token]);
  });

const node = program
  .command('node')
  .description('Data planes with a certificate of their own (cluster_mtls = enrolled).');
command('invite', 'Make a token by which a data plane joins, and print it: it is shown this once.', node)
  .option('--name <name>', 'the name of the node')
  .option('--labels <key:value,…>', 'labels of every node that joins by it')
  .option('--uses <n>', 'how many nodes may join: a number, or unlimited (default: 1)')
  .option('--ttl <time>', 'how long it may be used, such as 30m, 1h or 7d, or never (default: 1h)')
  .option('--json', 'print facts as JSON')
  .action(async (options: Common & InviteOptions) => {
    const made = await inviteNode(await settingsOf(options), options);
    print(options, made, [made.token]);
  });

command('list', 'Print the nodes: those that have joined, and every data plane that was seen.', node)
  .option('--json', 'print facts as JSON')
  .action(async (options: Common) => {
    const nodes = await listNodes(await settingsOf(options));
    print(options, nodes, nodeLines(nodes));
  });
command('revoke', 'End the links of a node that has joined, and let it in no more.', node)
  .argument('<id>', 'its id')
  .action(async (id: string, options: Common) => revokeNode(await settingsOf(options), id));
command('rename', 'Give a node that has joined another name.', node)
  .argument('<id>', 'its id')
  .argument('<name>', 'its name from now on')
  .action(async (id: string, name: string, options: Common) => renameNode(await settingsOf(options), id, name));
command('remove', 'Forget a node. One that has joined is let in no more; the id of any other is free again.', node)
  .argument('<id>', 'its id')
  .action(async (id: string, options: Common) => removeNode(await settingsOf(options), id));

const config = program
  .command('config')
  .description('The whole configuration as a file (_format_version 3.0, 2.1 or 1.1).');
command('dump', 'Print the configuration as YAML.', config)
  .option('-o, --output <file>', 'write it to a file instead')
  .option('--select-tag <tag>', 'only vaults with this tag; given more than once, with all of them', collected)
  .option('--json', 'as JSON')
  .action(async (options: Common & { output?: string; selectTag?: string[] }) => {
    const text = await dumpConfig(await settingsOf(options), options);
    if (text !== undefined) process.stdout.write(text);
  });
command(
  'diff',
  'Show what applying a file would change. Exit status as of diff: 0 nothing, 1 something, 2 trouble.',
  config,
)
  .argument('<file>', 'YAML or JSON; - for standard input')
  .option('--json', 'print facts as JSON')
  .action(async (file: string, options: Common) => {
    const { facts, lines, changed } = await settingsOf(options)
      .then((settings) => diffConfig(settings, file))
      .catch((error: unknown) => {
        // 1 is taken: any trouble is 2, as with diff.
        throw new UsageError(errorMessage(error));
      });
    print(options, facts, lines);
    if (changed) process.exitCode = 1;
  });
command(
  'apply',
  'Make the configuration exactly what a file says, as one change; of a file with _info.select_tags, what has all those tags.',
  config,
)
  .argument('<file>', 'YAML or JSON; - for standard input')
  .option('--json', 'print facts as JSON')
  .action(async (file: string, options: Common) => {
    const { facts, lines } = await applyConfig(await settingsOf(options), file);
    print(options, facts, lines);
  });

endOnUncaught('vaultplane-cp');

await runCli(program);
