import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@vaultplane/testkit/until.ts';
import { DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';
import { missing } from './command.ts';

const PROGRAM = fileURLToPath(new URL('../../data-plane/bin/vaultplane-dp', import.meta.url));
const COMMAND = ['exec', '--', 'sh', '-c', 'trap "echo ends; exit" TERM; echo ready; while :; do sleep 0.05; done'];

describe('vaultplane-dp exec, started with signals ignored', {
  skip: process.platform === 'linux' ? false : 'needs /proc, to see what became of a signal',
}, () => {
  let deployment: Deployment;
  const started: ChildProcess[] = [];
  before(() => {
    deployment = new Deployment();
  });
  after(async () => {
    for (const child of started) child.kill('SIGKILL');
    await deployment?.stop();
  });

  /** Starts a command, sends it signals one after another, and tells what it has written by its end. */
  async function outputAfter(signals: readonly NodeJS.Signals[], command: readonly string[]): Promise<string> {
    const [file, ...args] = command as [string, ...string[]];
    const env = { ...process.env, VAULTPLANE_DATA_DIR: `${deployment.folder}/dp` };
    const child = spawn(file, args, { env, cwd: deployment.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    started.push(child);
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    await until(`ready in ${output}`, () => output.includes('ready'));
    for (const signal of signals) {
      process.kill(child.pid!, signal);
      await until('it has got the signal', () => child.exitCode !== null || !hasPendingSignals(child.pid!));
    }
    await ended;
    return output;
  }

  it('lets SIGHUP be under nohup', { skip: missing('nohup', '--version') }, async () => {
    assert.match(
      await outputAfter(['SIGHUP', 'SIGTERM'], ['nohup', PROGRAM, ...COMMAND]),
      /^ready\n(Terminated\n)?ends\n$/,
    );
  });

  it('lets SIGINT be in the background of a script', async () => {
    // A shell without job control ignores SIGINT and SIGQUIT for what it starts in the background (POSIX, 2.11).
    const output = await outputAfter(
      ['SIGINT', 'SIGTERM'],
      ['sh', '-c', 'trap \'\' INT; exec "$@"', 'sh', PROGRAM, ...COMMAND],
    );
    assert.match(output, /^ready\n(Terminated\n)?ends\n$/);
  });

  it('passes them on where they are not ignored', async () => {
    assert.equal(await outputAfter(['SIGHUP'], [PROGRAM, ...COMMAND]), 'ready\n');
  });

  it('knows nohup on a terminal by itself, however it was started', async () => {
    const node = [process.execPath, '--disable-sigusr1', '--', DATA_PLANE_MAIN];
    const output = await outputAfter(
      ['SIGHUP', 'SIGTERM'],
      ['sh', '-c', 'exec "$@" 0>/dev/null', 'sh', ...node, ...COMMAND],
    );
    assert.match(output, /^ready\n(Terminated\n)?ends\n$/);
  });
});

/** Whether a signal was sent to a process and not yet delivered (proc_pid_status(5)). */
function hasPendingSignals(pid: number): boolean {
  return /^ShdPnd:\s*0*[1-9a-f]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
