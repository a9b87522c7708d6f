import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from './deployment.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OFFSET = 20_000 + (process.pid % 500) * 10;

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command as a newcomer would who copies it. */
function shell(command: string): string {
  return execFileSync('bash', ['-c', command], {
    cwd: ROOT,
    env: cleanEnv(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('npm start', () => {
  const data = mkdtempSync(join(tmpdir(), 'vaultplane-start-'));
  after(() => rmSync(data, { recursive: true, force: true }));

  function npmStart(...args: string[]): {
    child: ChildProcess;
    done: Promise<Run>;
    printed(text: string): Promise<string>;
  } {
    const child = spawn('npm', ['start', '--', ...args, '--port-offset', String(OFFSET), '--data', data], {
      cwd: ROOT,
      env: cleanEnv(),
      stdio: ['ignore', 'pipe', 'pipe'],
      // As in a terminal, where Ctrl-C reaches npm and what it runs alike.
      detached: true,
    });
    const run: Run = { code: null, stdout: '', stderr: '' };
    const listeners = new Set<() => void>();
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        run[name] += text;
        for (const listener of listeners) listener();
      });
    }
    const done = new Promise<Run>((resolve) => child.once('close', (code) => resolve({ ...run, code })));
    const printed = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const look = () => run.stdout.includes(text) && resolve(run.stdout);
        listeners.add(look);
        look();
        void done.then((ended) => reject(new Error(`ended without printing ${text}: ${ended.stdout}${ended.stderr}`)));
      });
    return { child, done, printed };
  }

  for (const time of ['once', 'and once more']) {
    it(`--once prints bar and ends with 0, ${time}`, async () => {
      const run = await npmStart('--once').done;
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stdout, /^bar$/m);
      assert.match(run.stdout, new RegExp(`Control plane, Admin API +http://127.0.0.1:${8001 + OFFSET}`));
    });
  }

  it('stays up, its next steps work as printed, and Ctrl-C stops all of it', async () => {
    const { child, done, printed } = npmStart();
    const text = await printed('Ctrl-C stops everything.');
    const [curl, get, change] = text.split('\n').filter((line) => /^ {2}\S.*secret-name/.test(line));
    assert.match(shell(curl!), /"value":"bar"/);
    assert.equal(shell(get!), 'bar');
    shell(change!);
    assert.match(shell(curl!), /"value":"bar"/);
    assert.match(shell(`${curl} --data-urlencode refresh=true`), /"value":"baz"/);
    process.kill(-child.pid!, 'SIGINT');
    const run = await done;
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /✓ everything stopped/);
    await assert.rejects(fetch(`http://127.0.0.1:${8001 + OFFSET}/`));
    await assert.rejects(fetch(`http://127.0.0.1:${2773 + OFFSET}/ping`));
  });

  it('says which port is in use, and how to move', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(8001 + OFFSET, '127.0.0.1', resolve));
    const run = await npmStart('--once').done;
    await new Promise((resolve) => server.close(resolve));
    assert.equal(run.code, 1);
    assert.match(run.stderr, new RegExp(`port ${8001 + OFFSET} \\(the control plane's Admin API\\).*--port-offset`));
  });

  it('refuses what it does not know, with status 2', async () => {
    assert.equal((await npmStart('--twice').done).code, 2);
  });

  it('keeps the token and the credentials out of its logs', () => {
    const token = readFileSync(join(data, 'dp', 'api-token'), 'utf8').trim();
    for (const name of ['control-plane', 'data-plane', 'aws-emulator']) {
      const log = readFileSync(join(data, 'logs', `${name}.log`), 'utf8');
      assert.ok(log.length > 0);
      assert.ok(!log.includes(token), name);
    }
  });
});
