import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Deployment } from '../e2e/deployment.ts';

const RUN = fileURLToPath(new URL('run.ts', import.meta.url));

/** Processes that have a text in their environment. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`).includes(text);
      } catch {
        return false;
      }
    });
}

async function runUntil(line: RegExp, signal: NodeJS.Signals, args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-drill-test-'));
  const child = spawn(process.execPath, [RUN, ...args, '--out', join(folder, 'out')], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  let sent = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
    if (sent || !line.test(words)) return;
    sent = true;
    child.kill(signal);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { folder, code, words };
}

test('Ctrl-C ends a drill, its programs and what they have written, and the reports are written and told all the same', async (t) => {
  if (process.platform !== 'linux') return t.skip('it looks for processes in /proc');
  const deployment = new Deployment();
  const controlPlane = await deployment.planControlPlane('told');
  await controlPlane.start();
  const tell = ['--report-to', controlPlane.adminUrl];
  const { folder, code, words } = await runUntil(/cp-killed: ✗/, 'SIGINT', ['cp-killed', ...tell]);
  try {
    const { data } = (await controlPlane.get('/drills')) as { data: Array<Record<string, unknown>> };
    assert.deepEqual(
      data.map(({ name, passed, problems }) => ({ name, passed, problems })),
      [{ name: 'cp-killed', passed: false, problems: ['it was stopped'] }],
    );
    assert.equal(code, 1);
    assert.match(words, /cp-killed: failed \(it was stopped\)/);
    assert.deepEqual(readdirSync(folder), ['out']);
    assert.deepEqual(readdirSync(join(folder, 'out')).sort(), ['report.html', 'report.json']);
    assert.deepEqual(processesWith(folder), []);
  } finally {
    await deployment.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a drill whose runner is killed ends by itself, with its programs', async (t) => {
  if (process.platform !== 'linux') return t.skip('it looks for processes in /proc');
  const { folder } = await runUntil(/cp-killed: ✗/, 'SIGKILL', ['cp-killed']);
  try {
    const end = performance.now() + 20_000;
    while (processesWith(folder).length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(processesWith(folder), []);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
});

test('a drill that there is not is wrong usage', async () => {
  const child = spawn(process.execPath, [RUN, 'no-such-drill'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 2);
  assert.match(words, /there is no drill no-such-drill/);
});
