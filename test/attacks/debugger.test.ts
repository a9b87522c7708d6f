import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, cleanEnv, DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');
const SIGUSR1_BIT = 1n << BigInt(constants.signals.SIGUSR1 - 1);

/** Whether SIGUSR1 is in a set of signals of a process, as Linux tells it: SigBlk (blocked), ShdPnd (sent and not delivered). */
function hasSigusr1(pid: number, set: 'SigBlk' | 'ShdPnd'): boolean {
  const [, hex] = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return (BigInt(`0x${hex}`) & SIGUSR1_BIT) !== 0n;
}

/**
 * SIGUSR1 has Node.js open its debugger on 127.0.0.1:9229, where every local user may then run code in the process. Each
 * way to start a program of ours is started, and sent the signal.
 */
describe('SIGUSR1 opens no debugger', {
  skip: process.platform === 'linux' ? false : 'needs /proc, to see what became of a signal',
}, () => {
  let deployment: Deployment;
  let controlPlane: ControlPlane;
  let dataPlaneEnv: NodeJS.ProcessEnv;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-debugger-'));
    deployment = new Deployment();
    controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    dataPlaneEnv = (await deployment.planDataPlane('dp', controlPlane)).env;
  });
  after(async () => {
    await deployment.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a command until it has said something, sends it SIGUSR1 and tells what it has written by then. */
  async function attack(command: readonly string[], env: NodeJS.ProcessEnv, says: string): Promise<string> {
    const [file, ...args] = command;
    const path = `${BIN}:${env.PATH}`;
    const child = spawn(file!, args, { env: { ...env, PATH: path }, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    try {
      await until(`${command.join(' ')} says ${says}`, () => output.includes(says) || child.exitCode !== null, 90_000);
      assert.ok(output.includes(says), output);
      // Blocked, it is never delivered: neither to the debugger nor to the default action, which ends the process.
      assert.ok(hasSigusr1(child.pid!, 'SigBlk'), 'the signal is not blocked');
      child.kill('SIGUSR1');
      await until('the signal is pending', () => hasSigusr1(child.pid!, 'ShdPnd'));
      assert.equal(child.exitCode, null);
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
    assert.doesNotMatch(output, /Debugger listening/);
    return output;
  }

  for (const [way, command] of [
    ['its command', [join(BIN, 'vaultplane-cp')]],
    ['its first line', [CONTROL_PLANE_MAIN]],
  ] as const) {
    it(`in a control plane started by ${way}`, async () => {
      const { env } = await deployment.planControlPlane('another-cp');
      await attack([...command, 'start'], env, '"event":"ready"');
    });
  }

  for (const [way, command] of [
    ['its command', [join(BIN, 'vaultplane-dp')]],
    ['its first line', [DATA_PLANE_MAIN]],
  ] as const) {
    it(`in a data plane started by ${way}`, async () => {
      await attack([...command, 'start'], dataPlaneEnv, '"event":"ready"');
    });
  }

  it('in exec, whose command keeps the signal and knows nothing of the flag', async () => {
    const show = ['cat /proc/self/status', 'tr "\\0" " " < /proc/$$/cmdline', 'env', 'echo shown', 'exec sleep 600'];
    const dataPlane = await deployment.planDataPlane('dp-of-exec', controlPlane);
    await dataPlane.start();
    const command = [join(BIN, 'vaultplane-dp'), 'exec', '--', 'sh', '-c', show.join('; ')];
    const output = await attack(command, dataPlane.env, 'shown\n');
    assert.match(output, /^SigBlk:\s*0+$/m);
    assert.doesNotMatch(output, /disable-sigusr1|NODE_OPTIONS/);
  });

  it('in render', async () => {
    const dataPlane = await deployment.planDataPlane('dp-of-render', controlPlane, { SHOP_COLOUR: 'green' });
    await dataPlane.start();
    writeFileSync(join(folder, 'shop.conf.tmpl'), 'colour = {{ secret "{vault://env/SHOP_COLOUR}" }}\n');
    const args = ['render', 'shop.conf.tmpl', '-o', 'shop.conf', '--watch', '--exec', 'echo rendered'];
    await attack([join(BIN, 'vaultplane-dp'), ...args], dataPlane.env, 'rendered');
  });

  it('in what `npm start` starts', async () => {
    const { env } = await deployment.planControlPlane('local');
    const program = await deployment.start('local', CONTROL_PLANE_MAIN, env, `${statusUrlOf(env)}/status/ready`);
    assert.ok(hasSigusr1(program.pid, 'SigBlk'));
    program.send('SIGUSR1');
    await until('the signal is pending', () => hasSigusr1(program.pid, 'ShdPnd'));
    assert.ok(program.running);
  });

  it('in any command line of ours that names node', () => {
    const places = [
      ...globSync('deploy/{Dockerfile,compose.yaml}', { cwd: ROOT }),
      ...globSync('deploy/{systemd,kubernetes}/**/*.{service,conf,yaml}', { cwd: ROOT }),
    ];
    assert.ok(places.length > 5, places.join());
    const without = places.flatMap((place) =>
      readFileSync(join(ROOT, place), 'utf8')
        .split('\n')
        .filter((line) => /^\s*(CMD|command:|test:|ExecStart=).*\bnode\b["',]/.test(line))
        .filter((line) => !line.includes('--disable-sigusr1'))
        .map((line) => `${place}: ${line.trim()}`),
    );
    assert.deepEqual(without, []);
    const { start } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts;
    assert.match(start, /exec node --disable-sigusr1 /);
  });

  it('in a process without the flag the test would see it', async () => {
    await assert.rejects(
      attack([process.execPath, '-e', 'console.log("up"); setInterval(() => {}, 1000)'], cleanEnv(), 'up'),
      /not blocked/,
    );
  });
});

function statusUrlOf(env: NodeJS.ProcessEnv): string {
  return `http://${env.VAULTPLANE_STATUS_LISTEN}`;
}
