#!/usr/bin/env -S node --disable-sigusr1
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { ADMIN_CREDENTIALS, CONTAINER_TOKEN, type Emulator, startEmulator } from './emulator.ts';
import { parseListen, parsePort } from './listen-option.ts';
import { IMDS_MODES, type ImdsMode } from './metadata-endpoint.ts';
import type { RemoteOptions } from './remote-secret.ts';
import { readSeed } from './seed.ts';
import { SpecError } from './spec-error.ts';

type StartOptions = {
  listen: { host: string; port: number };
  port?: number;
  metadataPort: number;
  seed?: string;
  imds: ImdsMode;
  region: string;
  tlsCert?: string;
  tlsKey?: string;
  remoteControl?: boolean;
  json?: boolean;
};

/** Loaded when it is needed: the AWS SDK takes longer to load than the emulator to start. */
const remote = () => import('./remote-secret.ts');

/** Wrong usage; 1 is for what went wrong in spite of right usage. */
const EXIT_USAGE = 2;
const LOOPBACK = '127.0.0.1';

async function start(options: StartOptions): Promise<void> {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    program.error('error: --tls-cert and --tls-key go together', { exitCode: EXIT_USAGE });
  }
  const { host } = options.listen;
  const port = options.port ?? options.listen.port;
  const tls = options.tlsCert ? { cert: readFileSync(options.tlsCert), key: readFileSync(options.tlsKey!) } : undefined;
  let emulator: Emulator;
  try {
    emulator = await startEmulator({
      host,
      port,
      metadataPort: options.metadataPort,
      region: options.region,
      imds: options.imds,
      ...(options.seed === undefined ? {} : { seed: readSeed(options.seed, options.region) }),
      ...(tls ? { tls } : {}),
      ...(options.remoteControl ? { remoteControl: true } : {}),
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const taken = (error as { port?: number }).port ?? port;
    const own = host === LOOPBACK ? '--port PORT' : `--listen ${host}:PORT`;
    const way = taken === port ? own : '--metadata-port PORT';
    throw new SpecError(`port ${taken} on ${host} is in use; choose another with ${way}`);
  }
  const stop = () => void emulator.stop().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.stdout.write(`${options.json ? JSON.stringify(readyFacts(emulator)) : readyText(emulator)}\n`);
}

function readyText(emulator: Emulator): string {
  const { accessKeyId, secretAccessKey } = emulator.credentials;
  const { imds } = emulator.machine;
  return `AWS emulator ready: ${emulator.url} (Ctrl-C stops it)

For another shell (the credentials are fake):

  export AWS_ENDPOINT_URL=${emulator.url} AWS_REGION=${emulator.region} AWS_DEFAULT_REGION=${emulator.region}
  export AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}

Instance metadata: ${imds === 'off' ? 'off' : `${emulator.imdsUrl} (${imds})`}
Container credentials: ${emulator.containerCredentialsUrl} (Authorization: ${emulator.containerToken})
Control: ${emulator.url}/_emulator`;
}

const readyFacts = (emulator: Emulator) => ({
  event: 'ready',
  url: emulator.url,
  imdsUrl: emulator.imdsUrl,
  imds: emulator.machine.imds,
  containerCredentialsUrl: emulator.containerCredentialsUrl,
  containerToken: emulator.containerToken,
  controlUrl: `${emulator.url}/_emulator`,
  region: emulator.region,
  ...emulator.credentials,
  pid: process.pid,
});

const program = new Command('vaultplane-aws-emulator')
  .description('A local AWS: Secrets Manager, STS, instance metadata and container credentials, for tests and demos.')
  .version(packageJson.version, '-V, --version', 'print the version')
  // Commander exits 1 for wrong usage; scripts should be able to tell that from a failure.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .showHelpAfterError('(try --help)');

const startCommand = program
  .command('start')
  .description('serve until Ctrl-C; the word "start" may be left out')
  .addOption(new Option('--port <port>', 'port to serve on, of 127.0.0.1').argParser(parsePort).conflicts('listen'))
  .addOption(
    new Option('--listen <host:port>', 'address to serve on; port 0 takes a free one')
      .argParser(parseListen)
      .default({ host: LOOPBACK, port: 4566 }, '127.0.0.1:4566'),
  )
  .option('--seed <file>', 'secrets, principals and roles to begin with (JSON)')
  .addOption(new Option('--imds <mode>', 'instance metadata service').choices(IMDS_MODES).default('v2'))
  .option('--region <region>', 'region of the machine, and of seeds that name none', 'us-east-1')
  .option('--tls-cert <file>', 'serve HTTPS with this certificate (PEM)')
  .option('--tls-key <file>', 'and this key (PEM)')
  .option('--metadata-port <port>', 'with TLS: plain port of IMDS and container credentials', parsePort, 0)
  .option('--remote-control', 'let other machines use /_emulator, which takes no credentials')
  .option('--json', 'print the ready line as JSON')
  .addHelpText('after', `\nIts credentials: ${ADMIN_CREDENTIALS.accessKeyId} / ${ADMIN_CREDENTIALS.secretAccessKey}`)
  .addHelpText('after', `Container credentials token: ${CONTAINER_TOKEN}`)
  .action((options: StartOptions) => start(options));
program.addHelpText('after', `\n${startCommand.helpInformation()}`);

function remoteCommand(description: string): Command {
  const [name, text] = description.split(': ') as [string, string];
  return program
    .command(name)
    .description(text)
    .option('--region <region>', 'region of the secret', 'us-east-1')
    .option('--endpoint <url>', 'a running emulator', 'http://127.0.0.1:4566')
    .option('--access-key-id <id>', 'whom to be', ADMIN_CREDENTIALS.accessKeyId)
    .option('--secret-access-key <key>', 'and the key', ADMIN_CREDENTIALS.secretAccessKey);
}

remoteCommand('put: make a secret, or rotate it: the value becomes AWSCURRENT')
  .argument('<name>')
  .argument('<value>', 'the text, or - to read it from standard input')
  .action(async (name: string, value: string, options: RemoteOptions) => {
    const text = value === '-' ? readFileSync(0, 'utf8').replace(/\r?\n$/, '') : value;
    const { made, versionId, arn } = await (await remote()).putRemoteSecret(name, text, options);
    process.stdout.write(`${made ? 'made' : 'rotated'} ${name}, version ${versionId} (${arn})\n`);
  });

remoteCommand('get: print the value of a secret')
  .argument('<name>')
  .option('--version-stage <stage>', 'label of the version', 'AWSCURRENT')
  .action(async (name: string, options: RemoteOptions & { versionStage: string }) => {
    const value = await (await remote()).getRemoteSecret(name, options.versionStage, options);
    process.stdout.write(typeof value === 'string' ? `${value}\n` : value);
  });

remoteCommand('delete: delete a secret, with a recovery window of 30 days')
  .argument('<name>')
  .option('--force', 'at once and for good')
  .action(async (name: string, options: RemoteOptions & { force?: boolean }) => {
    const date = await (await remote()).deleteRemoteSecret(name, options.force ?? false, options);
    process.stdout.write(options.force ? `deleted ${name}\n` : `${name} will be deleted on ${date.toISOString()}\n`);
  });

program.parseAsync(withCommand(process.argv.slice(2)), { from: 'user' }).catch((error: Error) => {
  process.stderr.write(`vaultplane-aws-emulator: ${describe(error)}\n`);
  process.exitCode = 1;
});

/** The arguments with their command: `start` where they begin with none. */
function withCommand(args: string[]): string[] {
  const [first = '--'] = args;
  return first.startsWith('-') && !['-h', '--help', '-V', '--version'].includes(first) ? ['start', ...args] : args;
}

function describe(error: Error): string {
  if (error instanceof SpecError || (error as NodeJS.ErrnoException).syscall !== undefined) return error.message;
  return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}
