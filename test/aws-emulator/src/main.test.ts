import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
type Ready = { url: string; imdsUrl: string; imds: string; containerCredentialsUrl: string; accessKeyId: string };
type Outcome = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

const started = new Set<ChildProcess>();
function program(...args: string[]): ChildProcess {
  // Without the environment's AWS settings, which a developer's machine may have.
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH ?? '' } });
  started.add(child);
  child.once('close', () => started.delete(child));
  return child;
}

async function outcome(child: ChildProcess, input = ''): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  child.stdout!.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    output.stderr += chunk;
  });
  child.stdin!.end(input);
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...output };
}
const run = (...args: string[]) => outcome(program(...args));

async function serve(...args: string[]): Promise<{ child: ChildProcess; ready: Ready }> {
  const child = program('start', '--listen', '127.0.0.1:0', '--json', ...args);
  const lines = createInterface({ input: child.stdout! });
  const exited = once(child, 'close').then(() => Promise.reject(new Error('the emulator ended before it was ready')));
  const [line] = await Promise.race([once(lines, 'line'), exited]);
  exited.catch(() => {});
  return { child, ready: JSON.parse(line) };
}

afterEach(() => {
  for (const child of started) child.kill('SIGKILL');
});

describe('vaultplane-aws-emulator', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'aws-emulator-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`start serves until ${signal} and then exits 0, with a hung call open too`, async () => {
      const { child, ready } = await serve();
      await fetch(`${ready.url}/_emulator/orders`, { method: 'POST', body: '{"behaviour":{"kind":"hang"}}' });
      const hung = assert.rejects(fetch(`${ready.imdsUrl}/latest/meta-data/instance-id`));
      await fetch(`${ready.url}/_emulator/calls?service=imds&atLeast=1`);
      child.kill(signal);
      const [code] = await once(child, 'close');
      assert.equal(code, 0);
      await hung;
    });
  }

  it('start prints first that it is ready, and where', async () => {
    const child = program('start', '--listen', '127.0.0.1:0');
    const [line] = await once(createInterface({ input: child.stdout! }), 'line');
    assert.match(line, /^AWS emulator ready: http:\/\/127\.0\.0\.1:\d+ \(Ctrl-C stops it\)$/);
  });

  it('put makes and rotates a secret, get reads its versions, delete removes it', async () => {
    const { ready } = await serve();
    const at = ['--endpoint', ready.url, '--region', 'eu-west-1'];
    assert.match((await run('put', 'app/db', 'one', ...at)).stdout, /^made app\/db, version \S+ \(arn:aws:\S+\)\n$/);
    const rotated = await outcome(program('put', 'app/db', '-', ...at), 'two\n');
    assert.match(rotated.stdout, /^rotated app\/db, version /);
    assert.ok(!rotated.stdout.includes('two'));
    assert.equal((await run('get', 'app/db', ...at)).stdout, 'two\n');
    assert.equal((await run('get', 'app/db', '--version-stage', 'AWSPREVIOUS', ...at)).stdout, 'one\n');
    const elsewhere = await run('get', 'app/db', '--endpoint', ready.url);
    assert.deepEqual([elsewhere.code, elsewhere.stdout], [1, '']);
    assert.match(elsewhere.stderr, /ResourceNotFoundException: Secrets Manager can't find the specified secret/);
    assert.equal((await run('delete', 'app/db', '--force', ...at)).stdout, 'deleted app/db\n');
    assert.equal((await run('get', 'app/db', ...at)).code, 1);
  });

  it('starts without the word too, on the port of --port', async () => {
    const child = program('--port', '0', '--json');
    const [line] = await once(createInterface({ input: child.stdout! }), 'line');
    assert.match(JSON.parse(line).url, /^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('names the nearest of a command or flag that it does not have, and its version', async () => {
    assert.match((await run('strat')).stderr, /^error: unknown command 'strat'\n\(Did you mean start\?\)\n/);
    assert.match((await run('--prot', '1')).stderr, /^error: unknown option '--prot'\n\(Did you mean --port\?\)\n/);
    assert.match((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match((await run('--help')).stdout, /\n {2}--port <port> [\s\S]*\n {2}--seed <file> /);
  });

  it('start takes a seed and an IMDS mode', async () => {
    const seed = {
      secrets: [{ region: 'us-east-1', name: 'secret-name', value: { foo: 'bar', snip: 'snap' } }],
      principals: [
        {
          name: 'reader',
          accessKeyId: 'AKIASEEDEDREADER0000',
          secretAccessKey: 'k',
          policy: [{ effect: 'allow', actions: ['secretsmanager:GetSecretValue'], resources: ['secret-*'] }],
        },
      ],
      roles: [{ name: 'seeded', policy: [{ effect: 'allow', actions: ['*'] }] }],
    };
    const { ready } = await serve('--imds', 'v2-only', '--seed', file('seed.json', JSON.stringify(seed)));
    assert.equal(ready.imds, 'v2-only');
    assert.equal((await fetch(`${ready.imdsUrl}/latest/meta-data/instance-id`)).status, 401);
    const reader = ['--access-key-id', 'AKIASEEDEDREADER0000', '--secret-access-key', 'k', '--endpoint', ready.url];
    assert.equal((await run('get', 'secret-name', ...reader)).stdout, '{"foo":"bar","snip":"snap"}\n');
    assert.match((await run('put', 'secret-name', 'x', ...reader)).stderr, /AccessDeniedException/);
  });

  it('start says in one line what is wrong with a seed, without its values', async () => {
    for (const [text, reason] of [
      ['{"secrets":[{"name":"a","value":"hunter2",}]}', /is not JSON: position \d+/],
      ['{"secrets":[{"name":"a","valeu":"hunter2"}]}', /a secret has no member valeu/],
    ] as const) {
      const result = await run('start', '--listen', '127.0.0.1:0', '--seed', file('bad.json', text));
      assert.equal(result.code, 1);
      assert.match(result.stderr, reason);
      assert.equal(result.stderr.trim().split('\n').length, 1);
      assert.ok(!result.stderr.includes('hunter2'));
    }
    assert.match((await run('start', '--seed', join(folder, 'none.json'))).stderr, /cannot read .*none\.json/);
  });

  it('start on a port in use exits 1 and says how to move', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const result = await run('start', '--listen', `127.0.0.1:${port}`);
    holder.close();
    assert.equal(result.code, 1);
    assert.equal(
      result.stderr,
      `vaultplane-aws-emulator: port ${port} on 127.0.0.1 is in use; choose another with --port PORT\n`,
    );
  });

  it('get without an emulator says how to start one', async () => {
    const result = await run('get', 'x', '--endpoint', 'http://127.0.0.1:1');
    assert.equal(result.code, 1);
    assert.match(
      result.stderr,
      /nothing answers at http:\/\/127\.0\.0\.1:1; start one with: vaultplane-aws-emulator start/,
    );
  });

  it('exits 2 on wrong usage and 0 on --help', async () => {
    for (const args of [
      ['bogus'],
      ['--port', 'x'],
      ['--port', '1', '--listen', '127.0.0.1:2'],
      ['put', 'name'],
      ['start', '--imds', 'v9'],
      ['start', '--listen', 'nowhere'],
      ['start', '--bogus'],
      ['start', '--tls-cert', 'x'],
    ]) {
      const result = await run(...args);
      assert.equal(result.code, 2, args.join(' '));
      assert.notEqual(result.stderr, '');
    }
    for (const args of [['--help'], ['start', '--help'], ['put', '--help'], ['get', '--help'], ['delete', '--help']]) {
      const result = await run(...args);
      assert.equal(result.code, 0);
      assert.match(result.stdout, /^Usage: vaultplane-aws-emulator/);
    }
  });
});
