import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { processTable } from '@vaultplane/data-plane/delivery/supervision/process-table.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { cleanEnv, DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';
import { missing } from './command.ts';

const EXEC = [process.execPath, '--disable-sigusr1', '--', DATA_PLANE_MAIN, 'exec'];
/** As the first process of a container: its own processes, and its own /proc. */
const NAMESPACE = ['unshare', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'];
const [UNSHARE, ...UNSHARE_ARGS] = NAMESPACE as [string, ...string[]];

describe('vaultplane-dp exec as process 1', {
  skip: process.platform === 'linux' ? missing(UNSHARE, ...UNSHARE_ARGS, 'true') : 'needs namespaces of Linux',
}, () => {
  let deployment: Deployment;
  /** Takes connections, and never says anything. */
  let silent: Server;
  const connections: Socket[] = [];
  const running: ChildProcess[] = [];
  before(async () => {
    deployment = new Deployment();
    silent = createServer((socket) => {
      connections.push(socket.on('error', () => {}));
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    for (const connection of connections) connection.destroy();
    silent?.close();
    await deployment?.stop();
  });

  function run(...args: string[]): { child: ChildProcess; ended: Promise<{ status: number | null; output: string }> } {
    const { port } = silent.address() as AddressInfo;
    const env = {
      ...cleanEnv(),
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'example',
      VAULTPLANE_DATA_DIR: `${deployment.folder}/dp`,
      VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
      VAULTPLANE_VAULT_AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    };
    const child = spawn(UNSHARE, [...UNSHARE_ARGS, ...EXEC, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    const ended = new Promise<{ status: number | null; output: string }>((resolve) =>
      child.once('close', (status) => resolve({ status, output })),
    );
    return { child, ended };
  }

  it('waits for the orphans that come to it, and leaves no zombie', async () => {
    // Counts by /proc/PID/stat: "PID (name) state parent …".
    const script = `
      count() { cat /proc/[0-9]*/stat 2>/dev/null | grep -c "$1"; }
      pids=
      for n in 1 2 3; do pids="$pids $(sh -c 'sleep 60 >/dev/null & echo $!')"; done
      until [ "$(count '(sleep) . 1 ')" = 3 ]; do :; done
      echo orphans
      kill $pids
      until [ "$(count '(sleep) [RSD]')" = 0 ]; do :; done
      n=0
      until [ "$(count '(sleep) Z')" = 0 ] || [ $((n += 1)) = 500 ]; do :; done
      echo "zombies: $(count '(sleep) Z')"
      exit 5`;
    const { status, output } = await run('--', 'sh', '-c', script).ended;
    assert.equal(output, 'orphans\nzombies: 0\n');
    assert.equal(status, 5);
  });

  for (const [signal, expected] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    it(`ends by a ${signal} that comes while values are fetched, and starts nothing`, async () => {
      const seen = connections.length;
      const { child, ended } = run('--env', 'A={vault://aws/slow/key}', '--', 'echo', 'started');
      await until('the value is asked for', () => connections.length > seen);
      process.kill(childOf(child.pid!), signal);
      assert.deepEqual(await ended, { status: expected, output: '' });
    });
  }
});

/** The process that unshare has forked: process 1 in there. */
function childOf(pid: number): number {
  const child = processTable().find(({ parent }) => parent === pid);
  assert.ok(child);
  return child.pid;
}
