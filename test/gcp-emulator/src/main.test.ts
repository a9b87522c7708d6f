import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const program = (...args: string[]) =>
  spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH ?? '' } });

describe('vaultplane-gcp-emulator', () => {
  it('start serves a seed and writes a key; put rotates; orders over HTTP hold; SIGTERM ends it with 0', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'gcp-emulator-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const seed = join(folder, 'seed.json');
    writeFileSync(seed, '{"secrets":[{"name":"db","value":{"password":"one"}}]}');
    const key = join(folder, 'key.json');
    const child = program('start', '--listen', '127.0.0.1:0', '--json', '--seed', seed, '--key', key);
    t.after(() => child.kill('SIGKILL'));
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const { url, metadataHost } = JSON.parse(line);
    assert.equal(JSON.parse(readFileSync(key, 'utf8')).token_uri, `${url}/token`);

    const put = program('put', 'db', 'two', '--endpoint', url);
    assert.match(await text(put.stdout), /^rotated projects\/\d+\/secrets\/db, version 2\n$/);
    const described = (await (await fetch(`${url}/_emulator/secrets/db`)).json()) as { versions: unknown[] };
    assert.equal(described.versions.length, 2);

    const order = JSON.stringify({ match: { service: 'metadata' }, behaviour: { kind: 'throttle' } });
    await fetch(`${url}/_emulator/orders`, { method: 'POST', body: order });
    const metadata = `http://${metadataHost}/computeMetadata/v1/project/project-id`;
    assert.equal((await fetch(metadata, { headers: { 'metadata-flavor': 'Google' } })).status, 429);
    const calls = await fetch(`${url}/_emulator/calls?service=metadata&atLeast=1`);
    assert.equal(((await calls.json()) as Array<{ status: number }>)[0]!.status, 429);

    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('says what is wrong with a seed, without its values, and exits 1; with its usage, and exits 2', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'gcp-emulator-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const seed = join(folder, 'seed.json');
    writeFileSync(seed, '{"secrets":[{"name":"a/b","value":"c4n4ry"}]}');
    const bad = program('start', '--listen', '127.0.0.1:0', '--seed', seed);
    const [said, [code]] = await Promise.all([text(bad.stderr), once(bad, 'exit')]);
    assert.match(said, /seed.json: a secret's name is/);
    assert.ok(!said.includes('c4n4ry'));
    assert.equal(code, 1);
    const wrong = program('start', '--listen', 'nonsense');
    assert.deepEqual(await once(wrong, 'exit'), [2, null]);
  });
});
