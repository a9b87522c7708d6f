import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { ADMIN_CREDENTIALS } from '@vaultplane/aws-emulator/emulator.ts';
import { StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { aborted, Stoppers, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
import { diagnostics } from '@vaultplane/platform/logging/diagnostics.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import type { Command } from 'commander';
import { startProgram } from './program.ts';

const REFERENCE = '{vault://aws-sm-vault/secret-name/foo}';

/** The demonstration's programs and files, of the sources or of a built package. */
export interface DemoPlaces {
  /** By which a user starts the demonstration, for messages. */
  command: string;
  /** Where a user has the programs by `bin(name)`, and by default the data in ./data. */
  folder: string;
  /** How a user calls a program in `folder`. */
  bin(name: 'vaultplane-dp' | 'vaultplane-aws-emulator'): string;
  /** Main files. */
  controlPlane: string;
  dataPlane: string;
  awsEmulator: string;
  /** The emulator's secrets (JSON). */
  secrets: string;
}

interface Options {
  once?: true;
  aws?: true;
  region: string;
  reference: string;
  portOffset: number;
  data: string;
}

/** Makes a command the demonstration: both programs and an emulated AWS, with one secret resolved through all of them. */
export function demoCommand(command: Command, places: DemoPlaces): Command {
  return command
    .description(
      'A control plane, a data plane and an emulated AWS on this machine, with one secret resolved through all of them.',
    )
    .option('--once', 'stop after printing the value, with exit status 0')
    .option('--aws', "use the real AWS, with this shell's credentials, instead of the emulator")
    .option(
      '--region <region>',
      'the AWS region of the vault',
      process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    )
    .option('--reference <reference>', 'what to resolve', REFERENCE)
    .option('--port-offset <n>', 'add this to every port, where some are in use', wholeNumber, 0)
    .option('--data <dir>', 'where the programs keep their data', join(places.folder, 'data'))
    .action((options: Options) => start(options, places));
}

async function start(options: Options, places: DemoPlaces): Promise<void> {
  const region = options.aws ? options.region : 'us-east-1';
  const port = (base: number) => base + options.portOffset;
  const admin = `http://127.0.0.1:${port(8001)}`;
  const api = `http://127.0.0.1:${port(2773)}`;
  const emulator = `http://127.0.0.1:${port(4566)}`;
  const [cpData, dpData, logs] = ['cp', 'dp', 'logs'].map((name) => join(options.data, name)) as [
    string,
    string,
    string,
  ];
  const signal = stopOnSignals();
  let finished = false;
  const stoppers = new Stoppers(silentLog);

  try {
    await refusePortsInUse(places.command, [
      [port(8001), "the control plane's Admin API"],
      [port(8005), "the control plane's cluster link"],
      [port(8107), "the control plane's status"],
      [port(2773), "the data plane's API"],
      [port(8007), "the data plane's status"],
      ...(options.aws ? [] : ([[port(4566), 'the AWS emulator']] as Array<[number, string]>)),
    ]);
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    const launch = async (
      name: string,
      key: string,
      main: string,
      args: string[],
      env: NodeJS.ProcessEnv,
      readyUrl: string,
    ) => {
      const logFile = join(logs, `${key}.log`);
      await step(`${name} started (its log: ${logFile})`, async () => {
        const started = await startProgram({
          name,
          main,
          args,
          env,
          cwd: places.folder,
          logFile,
          readyUrl,
          signal,
        });
        stoppers.add(name, () => started.stop());
        void started.exited.then(({ code, signal: by }) => {
          if (!signal.aborted && !finished)
            say(`! the ${name} has ended (${by ?? `status ${code}`}); its log: ${logFile}`);
        });
      });
    };

    const awsEnv: NodeJS.ProcessEnv = options.aws
      ? {}
      : {
          AWS_ACCESS_KEY_ID: ADMIN_CREDENTIALS.accessKeyId,
          AWS_SECRET_ACCESS_KEY: ADMIN_CREDENTIALS.secretAccessKey,
          AWS_ENDPOINT_URL: emulator,
        };
    if (!options.aws) {
      await launch(
        'AWS emulator',
        'aws-emulator',
        places.awsEmulator,
        ['start', '--listen', `127.0.0.1:${port(4566)}`, '--seed', places.secrets],
        cleanEnv(),
        `${emulator}/_emulator/health`,
      );
    }
    await launch(
      'control plane',
      'control-plane',
      places.controlPlane,
      ['start'],
      {
        ...cleanEnv(),
        VAULTPLANE_DATA_DIR: cpData,
        VAULTPLANE_ADMIN_LISTEN: `127.0.0.1:${port(8001)}`,
        VAULTPLANE_CLUSTER_LISTEN: `127.0.0.1:${port(8005)}`,
        VAULTPLANE_STATUS_LISTEN: `127.0.0.1:${port(8107)}`,
      },
      `http://127.0.0.1:${port(8107)}/status/ready`,
    );
    const dpEnv = {
      VAULTPLANE_DATA_DIR: dpData,
      VAULTPLANE_API_LISTEN: `127.0.0.1:${port(2773)}`,
      VAULTPLANE_STATUS_LISTEN: `127.0.0.1:${port(8007)}`,
      VAULTPLANE_CLUSTER_CONTROL_PLANE: `127.0.0.1:${port(8005)}`,
      VAULTPLANE_CLUSTER_CERT: join(cpData, 'cluster.crt'),
      VAULTPLANE_CLUSTER_CERT_KEY: join(cpData, 'cluster.key'),
    };
    await launch(
      'data plane',
      'data-plane',
      places.dataPlane,
      ['start'],
      { ...cleanEnv(Boolean(options.aws)), ...awsEnv, ...dpEnv },
      `http://127.0.0.1:${port(8007)}/status/ready`,
    );
    const version = await step(`vault aws-sm-vault made over the Admin API (region ${region})`, () =>
      makeVault(admin, region, signal),
    );
    const token = readFileSync(join(dpData, 'api-token'), 'utf8').trim();
    const value = await step(`${options.reference} resolved by the data plane`, async () => {
      await untilVersion(`http://127.0.0.1:${port(8007)}/status`, version, signal);
      return resolve(api, token, options.reference, signal);
    });

    process.stdout.write(`${value}\n`);
    process.stdout.write(
      addresses({ admin, api, emulator: options.aws ? undefined : emulator, port, cpData, dpData, logs }),
    );
    if (options.once) return;
    process.stdout.write(
      nextSteps({
        api,
        emulator: options.aws ? undefined : emulator,
        dpEnv,
        dpData,
        moved: options.portOffset !== 0,
        options,
        places,
      }),
    );
    await aborted(signal);
    say('');
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    finished = true;
    await step('everything stopped', () => stoppers.stop());
  }
}

/** The seed's own call: a PUT with a form. Gives the configuration version that has the vault. */
async function makeVault(admin: string, region: string, signal: AbortSignal): Promise<number> {
  const body = new URLSearchParams({
    name: 'aws',
    description: 'Storing secrets in AWS Secrets Manager',
    'config.region': region,
  });
  const answer = await fetch(`${admin}/vaults/aws-sm-vault`, { method: 'PUT', body, signal });
  if (!answer.ok) {
    const hint =
      answer.status === 401 || answer.status === 403 ? '; has this control plane tokens? Then remove its data' : '';
    throw new StartError(`the Admin API answered ${answer.status} ${await answer.text()}${hint}`);
  }
  const status = (await (await fetch(`${admin}/status`, { signal })).json()) as {
    vaultplane?: { config?: { version?: number } };
  };
  const version = status.vaultplane?.config?.version;
  if (typeof version !== 'number') throw new StartError('the control plane does not tell its configuration version');
  return version;
}

/** Waits until the data plane works with the configuration of this version or a later one. */
async function untilVersion(statusUrl: string, version: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const status = (await (await fetch(statusUrl, { signal })).json()) as { config: { version: number | null } };
    if ((status.config.version ?? -1) >= version) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new StartError(`the data plane did not get version ${version} of the configuration within 30 s`);
}

async function resolve(api: string, token: string, reference: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(`${api}/v1/resolve?ref=${encodeURIComponent(reference)}`, {
    headers: { authorization: `Bearer ${token}` },
    signal,
  });
  const body = (await answer.json()) as { value?: string; error?: { code: string; message: string } };
  if (body.value === undefined) throw new StartError(`${reference}: ${body.error?.code}: ${body.error?.message}`);
  return body.value;
}

interface Where {
  admin: string;
  api: string;
  emulator: string | undefined;
  port: (base: number) => number;
  cpData: string;
  dpData: string;
  logs: string;
}

function addresses({ admin, api, emulator, port, cpData, dpData, logs }: Where): string {
  const rows = [
    ['Control plane, Admin API', admin],
    ['Control plane, manager', `${admin}/manager/`],
    ['Control plane, cluster link', `wss://127.0.0.1:${port(8005)}/v1/cluster (mutual TLS)`],
    ['Control plane, status', `http://127.0.0.1:${port(8107)}/status`],
    ['Data plane, API', api],
    ['Data plane, status', `http://127.0.0.1:${port(8007)}/status`],
    ...(emulator ? [['AWS emulator', emulator]] : []),
    ['Data', `${cpData}, ${dpData}`],
    ['Logs', logs],
  ];
  return `\n${rows.map(([name, where]) => `  ${name!.padEnd(28)}${where}\n`).join('')}`;
}

function nextSteps(at: {
  api: string;
  emulator: string | undefined;
  dpEnv: Record<string, string>;
  dpData: string;
  moved: boolean;
  options: Options;
  places: DemoPlaces;
}): string {
  const { bin, folder } = at.places;
  const quoted = `'${at.options.reference}'`;
  // With the usual ports and folder, the program finds the data plane by its own defaults.
  const env =
    at.moved || at.options.data !== join(folder, 'data')
      ? `VAULTPLANE_DATA_DIR=${at.dpData} VAULTPLANE_API_LISTEN=${at.dpEnv.VAULTPLANE_API_LISTEN} `
      : '';
  const change = at.emulator
    ? `${bin('vaultplane-aws-emulator')} put secret-name '{"foo":"baz","snip":"snap"}'${at.moved ? ` --endpoint ${at.emulator}` : ''}`
    : `aws secretsmanager put-secret-value --secret-id secret-name --secret-string '{"foo":"baz"}'`;
  return `
Try next, in another shell in ${folder}:

  curl -H "Authorization: Bearer $(cat ${at.dpData}/api-token)" -G ${at.api}/v1/resolve --data-urlencode ref=${quoted}

  ${env}${bin('vaultplane-dp')} get ${quoted}

  ${change}
      (then ask again with --data-urlencode refresh=true: this vault has no ttl, so it rotates only when asked)

Ctrl-C stops everything.
`;
}

/** This shell's environment without what would reach into the demonstration: its settings, its AWS credentials. */
function cleanEnv(keepAws = false): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(VAULTPLANE|KONG)_/.test(name) && (keepAws || !name.startsWith('AWS_')),
    ),
  );
}

async function refusePortsInUse(command: string, wanted: Array<[port: number, what: string]>): Promise<void> {
  const inUse: string[] = [];
  for (const [port, what] of wanted) {
    await new Promise<void>((done) => {
      const probe = createServer()
        .once('error', (error: NodeJS.ErrnoException) => {
          inUse.push(`${port} (${what}${error.code === 'EADDRINUSE' ? '' : `: ${error.code}`})`);
          done();
        })
        .listen(port, '127.0.0.1', () => probe.close(() => done()));
    });
  }
  if (inUse.length > 0) {
    throw new StartError(
      `in use already: port ${inUse.join(', port ')}. Move all ports with: ${command} --port-offset 1000`,
    );
  }
}

function wholeNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 57_000)
    throw new UsageError('--port-offset must be a whole number from 0 to 57000');
  return Number(text);
}

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  if (isatty(2)) diagnostics.write(`… ${what}`);
  try {
    const result = await work();
    if (isatty(2)) diagnostics.write('\r\x1b[K');
    say(`✓ ${what} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
    return result;
  } catch (error) {
    if (isatty(2)) diagnostics.write('\r\x1b[K');
    throw error;
  }
}

function say(line: string): void {
  diagnostics.write(`${line}\n`);
}
