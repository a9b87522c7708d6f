import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import pg from 'pg';

const run = promisify(execFile);

/** A Postgres server of a test's own. */
export interface PostgresServer {
  /** 127.0.0.1 */
  host: string;
  port: number;
  user: string;
  database: string;
  /** Any is accepted, unless it was started with one. */
  password: string;
  url: string;
  /** The directory of its Unix socket. */
  socketDirectory: string;
  /** Makes another, empty database on it, and gives its name. */
  createDatabase(): Promise<string>;
  /** As a crash would: every connection breaks. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files, after kill(). */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** There is no Postgres on this machine: tests that need one are to be skipped, with this message as the reason. */
export class PostgresNotInstalled extends Error {
  override readonly name = 'PostgresNotInstalled';
}

/** Why tests that need Postgres are to be skipped here; false where they can run. */
export function postgresMissing(): string | false {
  return binaryDirectory() === undefined && 'Postgres (initdb, postgres) is not installed';
}

export interface PostgresServerOptions {
  /** Is asked for it (SCRAM); without it any password is accepted. */
  password?: string;
  /** Its certificate and key, PEM: then it speaks TLS, and over TCP nothing else. */
  tls?: { cert: string; key: string };
}

/**
 * Starts a new, empty Postgres on a free port of 127.0.0.1, its files in a temporary directory.
 *
 * @throws PostgresNotInstalled
 */
export async function startPostgresServer({ password, tls }: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = binaryDirectory();
  if (binaries === undefined) throw new PostgresNotInstalled(postgresMissing() as string);
  const directory = await mkdtemp(join(tmpdir(), 'vaultplane-pg-'));
  const data = join(directory, 'data');
  const account = await unprivilegedAccount();
  await chmod(directory, 0o700);
  if (account) await chown(directory, account.uid, account.gid);
  const options = { cwd: directory, ...account, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TZ: 'UTC' } };
  try {
    await run(
      join(binaries, 'initdb'),
      ['-D', data, '-U', 'vaultplane', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
      options,
    );
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }

  // Tests' own connections go through the socket's directory, which only this user reaches.
  const method = password === undefined ? 'trust' : 'scram-sha-256';
  writeFileSync(
    join(data, 'pg_hba.conf'),
    `local all all trust\n${tls ? 'hostssl' : 'host'} all all 127.0.0.1/32 ${method}\n`,
  );
  for (const [name, text] of Object.entries(tls ?? {})) {
    const file = join(data, `server.${name}`);
    writeFileSync(file, text, { mode: 0o600 });
    if (account) await chown(file, account.uid, account.gid);
  }
  const port = await freePort();
  const location = { host: '127.0.0.1', port, user: 'vaultplane', password: password ?? 'any', database: 'postgres' };
  const local = { ...location, host: directory };
  let server: ChildProcess;
  const start = async () => {
    const settings = [
      ...['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${directory}`],
      ...['fsync=off', 'full_page_writes=off', 'max_connections=100', 'autovacuum=off', 'shared_buffers=16MB'],
      ...(tls ? ['ssl=on', 'ssl_cert_file=server.cert', 'ssl_key_file=server.key'] : []),
    ];
    server = spawn(join(binaries, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await untilUp(server, local);
  };
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await ended;
  };
  const stop = async () => {
    // SIGINT is Postgres' fast shutdown: it breaks the connections and ends its own children.
    await end('SIGINT');
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  const begin = async () => {
    await start();
    if (password === undefined) return;
    await withClient(local, (client) => client.query(`alter role vaultplane password '${password}'`));
  };
  await begin().catch(async (error) => {
    await stop();
    throw error;
  });
  // A test run that is interrupted leaves no server behind.
  const atExit = () => void server.kill('SIGQUIT');
  process.once('exit', atExit);

  let databases = 0;
  return {
    ...location,
    url: `postgres://vaultplane:any@127.0.0.1:${port}/postgres`,
    socketDirectory: directory,
    async createDatabase() {
      const name = `test_${++databases}`;
      await withClient(local, (client) => client.query(`create database ${name}`));
      return name;
    },
    // SIGQUIT is its immediate shutdown: no goodbye to anybody, and recovery at the next start.
    kill: () => end('SIGQUIT'),
    restart: start,
    async stop() {
      process.off('exit', atExit);
      await stop();
    },
  };
}

function binaryDirectory(): string | undefined {
  const versions = '/usr/lib/postgresql';
  const candidates = [
    ...(process.env.PATH ?? '').split(':').filter((directory) => directory !== ''),
    ...(existsSync(versions) ? readdirSync(versions).sort().reverse() : []).map((v) => join(versions, v, 'bin')),
  ];
  return candidates.find((directory) => ['initdb', 'postgres'].every((name) => existsSync(join(directory, name))));
}

/** Postgres refuses to run as root: then it runs as the account that its package made. */
async function unprivilegedAccount(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((kind) => run('id', [kind, name]))).catch(() => undefined);
    if (ids) return { uid: Number(ids[0]!.stdout), gid: Number(ids[1]!.stdout) };
  }
  throw new PostgresNotInstalled('Postgres does not run as root, and there is no account postgres or nobody');
}

async function untilUp(server: ChildProcess, location: pg.ClientConfig): Promise<void> {
  let words = '';
  await new Promise<void>((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${words.slice(-1000)}`)));
    server.once('error', reject);
    server.stderr!.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-10_000);
      if (/database system is ready to accept connections/.test(words)) resolve();
    });
  });
  await withClient(location, (client) => client.query('select 1'));
}

async function withClient(location: pg.ClientConfig, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(location);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
