#!/usr/bin/env -S node --disable-sigusr1
import { readFileSync, writeFileSync } from 'node:fs';
import { parseListen, parsePort } from '@vaultplane/aws-emulator/listen-option.ts';
import { SpecError } from '@vaultplane/aws-emulator/spec-error.ts';
import { Command, Option } from 'commander';
import { ADMIN_ACCOUNT, type GcpEmulator, startGcpEmulator } from './emulator.ts';
import { readSeed } from './seed.ts';

type StartOptions = {
  listen: { host: string; port: number };
  metadataPort: number;
  project: string;
  seed?: string;
  key?: string;
  tlsCert?: string;
  tlsKey?: string;
  remoteControl?: boolean;
  json?: boolean;
};

/** Wrong usage; 1 is for what went wrong in spite of right usage. */
const EXIT_USAGE = 2;

async function start(options: StartOptions): Promise<void> {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    program.error('error: --tls-cert and --tls-key go together', { exitCode: EXIT_USAGE });
  }
  const { listen, metadataPort, project, remoteControl = false } = options;
  let emulator: GcpEmulator;
  try {
    emulator = await startGcpEmulator({
      ...listen,
      metadataPort,
      project,
      remoteControl,
      ...(options.seed !== undefined && { seed: readSeed(options.seed, project) }),
      ...(options.tlsCert && { tls: { cert: readFileSync(options.tlsCert), key: readFileSync(options.tlsKey!) } }),
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new SpecError(`port ${(error as { port?: number }).port} on ${listen.host} is in use; choose another`);
  }
  if (options.key !== undefined) writeFileSync(options.key, JSON.stringify(emulator.createKey()), { mode: 0o600 });
  const stop = () => void emulator.stop().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const { url, metadataHost } = emulator;
  const facts = { event: 'ready', url, metadataHost, controlUrl: `${url}/_emulator`, project, pid: process.pid };
  const credentials = options.key === undefined ? '' : ` GOOGLE_APPLICATION_CREDENTIALS=${options.key} (a fake key)`;
  const line = `GCP emulator ready: endpoint_url=${url} project_id=${project} GCE_METADATA_HOST=${metadataHost}${credentials}, control ${url}/_emulator`;
  process.stdout.write(`${options.json ? JSON.stringify(facts) : line}\n`);
}

const program = new Command('vaultplane-gcp-emulator')
  .description('A local Google Cloud: Secret Manager, OAuth tokens and the metadata server, for tests and demos.')
  .version('0.1.0')
  // Commander exits 1 for wrong usage; scripts should be able to tell that from a failure.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .showHelpAfterError('(try --help)');

program
  .command('start')
  .description('serve until SIGINT or SIGTERM')
  .addOption(
    new Option('--listen <host:port>', 'address to serve on; port 0 takes a free one')
      .argParser(parseListen)
      .default({ host: '127.0.0.1', port: 4567 }, '127.0.0.1:4567'),
  )
  .option('--project <id>', 'project of the machine, and of seeds that name none', 'emulator-project')
  .option('--seed <file>', 'secrets and principals to begin with (JSON)')
  .option('--key <file>', `write a key of ${ADMIN_ACCOUNT} there`)
  .option('--tls-cert <file>', 'serve HTTPS with this certificate (PEM)')
  .option('--tls-key <file>', 'and this key (PEM)')
  .option('--metadata-port <port>', 'with TLS: plain port of the metadata server', parsePort, 0)
  .option('--remote-control', 'let other machines use /_emulator, which takes no credentials')
  .option('--json', 'print the ready line as JSON')
  .action((options: StartOptions) => start(options));

program
  .command('put')
  .description('make a secret, or add a version, which becomes the latest')
  .argument('<name>')
  .argument('<value>', 'the text, or - to read it from standard input')
  .option('--endpoint <url>', 'a running emulator', 'http://127.0.0.1:4567')
  .option('--project <id>', 'project of the secret; the emulator knows a default')
  .action(async (name: string, value: string, { endpoint, project }: { endpoint: string; project?: string }) => {
    const text = value === '-' ? readFileSync(0, 'utf8').replace(/\r?\n$/, '') : value;
    const body = JSON.stringify({ name, value: text, project });
    const answer = await fetch(`${endpoint}/_emulator/secrets`, { method: 'POST', body }).catch(() => null);
    if (!answer) throw new SpecError(`no emulator answers at ${endpoint}`);
    const put = (await answer.json()) as { name: string; version: number; error?: string };
    if (!answer.ok) throw new SpecError(put.error ?? `the emulator answered ${answer.status}`);
    process.stdout.write(`${put.version === 1 ? 'made' : 'rotated'} ${put.name}, version ${put.version}\n`);
  });

program.parseAsync().catch((error: Error) => {
  process.stderr.write(`vaultplane-gcp-emulator: ${error.message}\n`);
  process.exitCode = 1;
});
