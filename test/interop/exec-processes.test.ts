import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Scene } from './scene.ts';

/** A command that the shell starts as its child, as most entrypoints do: the shell itself has no trap. */
const BEHIND_A_SHELL = (script: string) => ['sh', '-c', `sh -c '${script}' & wait`];

describe('vaultplane-dp exec, for a command with children of its own', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
  });
  after(() => scene?.stop());

  it('passes a signal on to all of them', async () => {
    const worker = 'trap "echo worker stops; exit" TERM; echo ready; while :; do sleep 0.05; done';
    const run = scene.command(['exec', '--', ...BEHIND_A_SHELL(worker)]);
    await run.writes('ready');
    run.kill('SIGTERM');
    const { status, stdout } = await run.ended;
    assert.equal(stdout, 'ready\nworker stops\n');
    assert.equal(status, 143);
  });

  it('signals all of them when a value rotates', async () => {
    scene.emulator.putSecret('us-east-1', 'signalled', { foo: 'canary-1' });
    const reference = '{vault://aws-sm-vault/signalled/foo}';
    const worker = 'trap "echo reload" HUP; echo ready; while :; do sleep 0.05; done';
    const command = ['sh', '-c', `trap "" HUP; sh -c 'exec env --default-signal=HUP sh -c "$0"' '${worker}'`];
    const run = scene.command(['exec', '--signal', 'HUP', '--env', `S=${reference}`, '--', ...command]);
    await run.writes('ready');
    await scene.rotate('signalled', { foo: 'canary-2' }, reference);
    await run.writes('reload');
  });

  it('starts again when the last of them has stopped', async () => {
    scene.emulator.putSecret('us-east-1', 'rotating', { foo: 'canary-1' });
    const reference = '{vault://aws-sm-vault/rotating/foo}';
    // It takes its time to stop, while the shell that has started it is gone at once.
    const worker =
      'trap "echo stopping; sleep 0.7; echo stopped; exit" TERM; echo "start $S"; while :; do sleep 0.05; done';
    const run = scene.command([
      ...['exec', '--restart-on-rotation', '--env', `S=${reference}`],
      ...['--', ...BEHIND_A_SHELL(worker)],
    ]);
    await run.writes('start canary-1');
    await scene.rotate('rotating', { foo: 'canary-2' }, reference);
    await run.writes('start canary-2');
    assert.equal(run.stdout, 'start canary-1\nstopping\nstopped\nstart canary-2\n');
    run.kill('SIGTERM');
    await run.ended;
  });

  it('kills what is left of them after the grace period', async () => {
    scene.emulator.putSecret('us-east-1', 'stubborn', { foo: 'canary-1' });
    const reference = '{vault://aws-sm-vault/stubborn/foo}';
    const worker = 'trap "" TERM; echo "start $S $$"; while :; do sleep 0.05; done';
    const run = scene.command([
      ...['exec', '--restart-on-rotation', '--grace', '0.5', '--env', `S=${reference}`],
      ...['--', ...BEHIND_A_SHELL(worker)],
    ]);
    await run.writes('start canary-1');
    const [, first] = /start canary-1 (\d+)/.exec(run.stdout)!;
    await scene.rotate('stubborn', { foo: 'canary-2' }, reference);
    await run.writes('start canary-2');
    assert.equal(isAlive(Number(first)), false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
