import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { postgresMissing, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { STOP_WITHIN_MS } from '@vaultplane/platform/lifecycle.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type ControlPlane, Deployment } from '../e2e/deployment.ts';
import { requestHead, send } from './raw-http.ts';
import { SilencedProxy } from './silenced-proxy.ts';

const TOKEN = 'the-admin-token-of-this-deployment-2';
/** A busy machine may take so long to run what is due. */
const LATE_MS = 5000;

describe('SIGTERM ends a control plane within its limit', () => {
  const deployment = new Deployment();
  after(() => deployment.stop());
  /** Sends SIGTERM. @returns how long the program took, ms */
  const stop = async (program: Program) => {
    const begun = performance.now();
    const { code, signal } = await program.stop(STOP_WITHIN_MS + LATE_MS);
    assert.equal(signal, null, 'it had to be killed');
    return { ms: performance.now() - begun, code };
  };
  const open = async (cp: ControlPlane): Promise<Socket[]> => {
    const { host } = new URL(cp.adminUrl);
    const own = { host, 'kong-admin-token': TOKEN };
    const get = (path: string) => requestHead('GET', path, own);
    const half = (type: string) =>
      `${requestHead('PUT', '/vaults/x', { ...own, 'content-type': type, 'content-length': 100_000 })}--b\r\n{"a`;
    const slowReader = await send(cp.adminUrl, get('/openapi.json').repeat(200));
    slowReader.pause();
    return [
      slowReader,
      await send(cp.adminUrl, get('/vaults')),
      await send(cp.adminUrl, ''),
      await send(cp.adminUrl, 'GET / HT'),
      await send(cp.adminUrl, half('application/json')),
      await send(cp.adminUrl, half('application/x-www-form-urlencoded')),
      await send(cp.adminUrl, half('multipart/form-data; boundary=b')),
      await send(cp.adminUrl, half('application/yaml')),
      await send(cp.adminUrl, get('/clustering/events')),
      await send(cp.statusUrl, ''),
      await send(cp.statusUrl, requestHead('POST', '/status', { host, 'content-length': 100_000 })),
    ];
  };

  it('whatever its callers keep open', async () => {
    const cp = await deployment.planControlPlane('open', { VAULTPLANE_ADMIN_TOKEN: TOKEN });
    const program = await cp.start();
    const sockets = await open(cp);
    const answered = new Promise((resolve) => sockets[1]!.once('data', resolve));
    await answered;
    const { ms, code } = await stop(program);
    for (const socket of sockets) socket.destroy();
    assert.equal(code, 0);
    assert.ok(ms < STOP_WITHIN_MS, `${ms} ms`);
  });

  it('with its database hanging', { skip: postgresMissing() }, async () => {
    const postgres = await startPostgresServer();
    const proxy = await SilencedProxy.start(postgres);
    try {
      const cp = await deployment.planControlPlane('hung', {
        VAULTPLANE_ADMIN_TOKEN: TOKEN,
        VAULTPLANE_DATABASE: 'postgres',
        VAULTPLANE_PG_HOST: '127.0.0.1',
        VAULTPLANE_PG_PORT: String(proxy.port),
        VAULTPLANE_PG_USER: postgres.user,
        VAULTPLANE_PG_DATABASE: await postgres.createDatabase(),
      });
      const program = await cp.start();
      proxy.silence();
      const sockets = await open(cp);
      const body = 'name=env';
      const write = requestHead('PUT', '/vaults/x', {
        ...{ host: new URL(cp.adminUrl).host, 'kong-admin-token': TOKEN },
        ...{ 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
      });
      sockets.push(await send(cp.adminUrl, write + body));
      await until('a query hangs', () => proxy.swallowed > 0);
      const { ms } = await stop(program);
      for (const socket of sockets) socket.destroy();
      assert.ok(ms < STOP_WITHIN_MS + LATE_MS, `${ms} ms`);
    } finally {
      await proxy.stop();
      await postgres.stop();
    }
  });
});
