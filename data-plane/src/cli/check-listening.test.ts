import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadDataPlaneSettings } from '../settings.ts';
import { checkListening } from './check-listening.ts';

describe('check of where a data plane listens', () => {
  const settings = (env: NodeJS.ProcessEnv) =>
    loadDataPlaneSettings({
      env: {
        VAULTPLANE_CLUSTER_MTLS: 'enrolled',
        VAULTPLANE_API_LISTEN: '127.0.0.1:0',
        VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
        ...env,
      },
    });
  const failed = async (env: NodeJS.ProcessEnv) =>
    (await checkListening(await settings(env), async () => '')).filter(({ ok }) => !ok);

  it('finds nothing wrong with free addresses, and makes no socket', async () => {
    const socket = join(mkdtempSync(join(tmpdir(), 'vaultplane-check-')), 'api.sock');
    assert.deepEqual(await failed({ VAULTPLANE_API_UNIX_SOCKET: socket }), []);
    assert.deepEqual(await failed({ VAULTPLANE_API_UNIX_SOCKET: socket }), []);
  });

  it('names an address that another program has', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    for (const setting of ['api_listen', 'status_listen']) {
      const [first, ...rest] = await failed({ [`VAULTPLANE_${setting.toUpperCase()}`]: `127.0.0.1:${port}` });
      assert.deepEqual([first?.what, rest], [setting, []]);
      assert.match(first!.says, /is in use by another program/);
    }
    other.close();
  });

  it('names a socket that another program has, a file in its place, and a folder that is not there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-check-'));
    const taken = join(folder, 'taken.sock');
    const other = createServer().listen(taken);
    await once(other, 'listening');
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const [path, said] of [
      [taken, /in use by another program/],
      [file, /is there, and no socket/],
      [join(folder, 'none', 'api.sock'), /can't be made in .*none: ENOENT/],
    ] as const) {
      const [first] = await failed({ VAULTPLANE_API_UNIX_SOCKET: path });
      assert.equal(first?.what, 'api_unix_socket');
      assert.match(first.says, said);
    }
    other.close();
  });
});
