import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { connect } from '@vaultplane/client';
import { DATA_PLANE_MAIN } from '../e2e/deployment.ts';
import { Scene } from './scene.ts';

/** No UTF-8, and every byte that some stream might change. */
const BYTES = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0x80, ...Array.from({ length: 256 }, (_, byte) => byte)]);
const KEYSTORE = '{vault://aws-sm-vault/keystore}';
const TEXT = '{vault://aws-sm-vault/text}';

describe('a binary secret', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
    scene.emulator.putSecret('us-east-1', 'keystore', BYTES);
    scene.emulator.putSecret('us-east-1', 'text', 'grün');
  });
  after(() => scene?.stop());

  function run(...args: string[]): Promise<{ status: unknown; stdout: Buffer; stderr: string }> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        ['--disable-sigusr1', '--', DATA_PLANE_MAIN, ...args],
        { env: scene.dataPlane.env, encoding: 'buffer' },
        (error, stdout, stderr) => resolve({ status: error?.code ?? 0, stdout, stderr: stderr.toString() }),
      );
    });
  }

  it('is written as bytes by get --raw', async () => {
    assert.deepEqual(await run('get', '--raw', KEYSTORE), { status: 0, stdout: BYTES, stderr: '' });
    assert.equal((await run('get', KEYSTORE)).stdout.toString(), BYTES.toString('base64'));
    assert.equal((await run('get', '--raw', TEXT)).stdout.toString(), 'grün');
  });

  it('is not written as bytes and as JSON at once', async () => {
    const { status, stderr } = await run('get', '--raw', '--json', KEYSTORE);
    assert.equal(status, 2);
    assert.match(stderr, /^vaultplane-dp: --raw and --json exclude each other$/m);
  });

  it('is answered as bytes where the query says raw=true', async () => {
    const { url, token } = { url: scene.dataPlane.apiUrl, token: scene.dataPlane.token };
    const ask = (query: string) =>
      fetch(`${url}/v1/resolve?ref=${encodeURIComponent(KEYSTORE)}${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
    const answer = await ask('&raw=true');
    assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), BYTES);
    const asJson = (await (await ask('&raw=false')).json()) as { value: string; encoding: string };
    assert.deepEqual(asJson, { ...asJson, value: BYTES.toString('base64'), encoding: 'base64' });
    assert.notEqual(answer.headers.get('etag'), (await ask('')).headers.get('etag'));
    assert.equal((await ask('&raw=maybe')).status, 400);
  });

  it('is had as bytes by the client', async () => {
    const client = connect({ url: scene.dataPlane.apiUrl, token: scene.dataPlane.token });
    try {
      assert.deepEqual(await client.getBytes(KEYSTORE), BYTES);
      assert.equal((await client.getBytes(TEXT)).toString(), 'grün');
      const [found] = await client.lookUp([KEYSTORE]);
      assert.ok(!(found instanceof Error));
      assert.deepEqual(found!.bytes, BYTES);
    } finally {
      client.close();
    }
  });
});
