import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { command, eventually, tryCommand } from './command.ts';

/** What is kept between runs: the base images' layers, and the layers of a build. */
const CACHE = '/var/cache/vaultplane-test-docker';

/** A Docker engine: one that is there, or one of our own. */
export interface Engine {
  /** Environment for `docker` and `docker-compose`. */
  env: NodeJS.ProcessEnv;
  own: boolean;
  docker(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Why no engine can be had on this machine. */
export class NoEngine extends Error {}

/**
 * The engine that DOCKER_HOST or the usual socket leads to; or else one that is started here, in a network namespace of
 * its own, so that its bridges and its packet filter are nobody else's, with a data root and a socket of its own. What it
 * builds reaches the package registries through user-mode networking.
 *
 * @throws NoEngine with what is missing
 */
export async function openEngine(): Promise<Engine> {
  const there = await tryCommand('docker', ['version', '--format', '{{.Server.Version}}']).catch(() => undefined);
  if (there?.status === 0) return engineAt(process.env, false, async () => {});

  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new NoEngine('no Docker engine answers, and only root on Linux can start one');
  }
  const missing = ['dockerd', 'docker', 'iptables', 'unshare', 'setpriv', 'flock', 'slirp4netns'].filter(
    (program) => !onPath(program),
  );
  if (missing.length > 0) {
    throw new NoEngine(`no Docker engine answers, and to start one ${missing.join(', ')} are missing (see .ci/run)`);
  }
  return startEngine();
}

async function startEngine(): Promise<Engine> {
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-docker-'));
  const [socket, pidFile, logFile] = ['docker.sock', 'dockerd.pid', 'dockerd.log'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const log = openSync(logFile, 'a', 0o600);
  const dockerd = [
    'dockerd',
    ...['--host', `unix://${socket}`, '--data-root', join(CACHE, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', pidFile, '--log-level', 'warn'],
  ];
  // One run at a time has the data root: another waits for the lock. Whoever started this and dies takes it along.
  const holder = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'SIGKILL', 'flock', '--close', '--timeout', '900', join(CACHE, 'lock')],
      ...['setpriv', '--pdeathsig', 'SIGTERM', 'unshare', '--net', '--mount', 'sh', '-c'],
      `ip link set lo up; exec ${dockerd.join(' ')}`,
    ],
    { stdio: ['ignore', log, log], detached: true },
  );
  closeSync(log);
  const ended = new Promise<void>((resolve) => holder.once('exit', () => resolve()));
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}` };
  let network: ReturnType<typeof spawn> | undefined;
  const stop = async () => {
    network?.kill('SIGKILL');
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
    if (pid > 0) process.kill(pid, 'SIGTERM');
    else holder.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.race([
      eventually(
        'the Docker engine answers',
        async () => (await tryCommand('docker', ['version'], { env })).status === 0,
        15 * 60_000,
      ),
      ended.then(() => {
        throw new NoEngine(`dockerd ended: ${readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' ')}`);
      }),
    ]);
    network = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'SIGKILL', 'slirp4netns', '--configure', '--mtu=1400', '--disable-host-loopback'],
        ...[readFileSync(pidFile, 'utf8').trim(), 'tap0'],
      ],
      { stdio: 'ignore' },
    );
    return engineAt(env, true, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

function engineAt(env: NodeJS.ProcessEnv, own: boolean, stop: () => Promise<void>): Engine {
  return { env, own, stop, docker: (...args) => command('docker', args, { env, withinMs: 15 * 60_000 }) };
}

export function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}
