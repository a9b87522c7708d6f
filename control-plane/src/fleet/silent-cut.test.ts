import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HEARTBEAT_MS } from '../store/postgres-database.ts';
import { startMutedProxy } from '../store/testing/muted-proxy.ts';
import { postgresMissing, startPostgresServer } from '../store/testing/postgres-server.ts';
import { startTestControlPlane } from '../testing/control-plane.ts';
import { POLL_MS } from './publisher.ts';
import { TestDataPlane } from './testing/test-data-plane.ts';

it('a change reaches the data planes of a control plane whose LISTEN was cut without a word, by its poll, until it listens again', {
  skip: postgresMissing(),
}, async (t) => {
  assert.ok(POLL_MS <= 4000, 'the poll leaves a second for everything else');
  const postgres = await startPostgresServer();
  const proxy = await startMutedProxy(postgres);
  const env = (port: number, database: string) => ({
    VAULTPLANE_DATABASE: 'postgres',
    VAULTPLANE_PG_HOST: '127.0.0.1',
    VAULTPLANE_PG_PORT: String(port),
    VAULTPLANE_PG_DATABASE: database,
  });
  const database = await postgres.createDatabase();
  const writer = await startTestControlPlane({ env: env(postgres.port, database) });
  const cut = await startTestControlPlane({ env: env(proxy.port, database) });
  const dataPlane = await TestDataPlane.start({ controlPlane: cut });
  try {
    await dataPlane.untilVersion(0);
    assert.equal(proxy.listeners(), 1);
    proxy.muteListeners();
    const took: number[] = [];
    for (const version of [1, 2]) {
      const begun = performance.now();
      assert.equal((await writer.call('PUT', `/vaults/number-${version}`, { name: 'env' })).status, 200);
      await dataPlane.untilVersion(version);
      took.push(Math.round(performance.now() - begun));
    }
    t.diagnostic(`with LISTEN cut a change took ${took.join(' and ')} ms (poll every ${POLL_MS} ms)`);

    // It finds out by itself, and listens by another connection.
    const again = () => cut.logged().some(({ msg }) => msg === 'the database connection for notifications was lost');
    while (!again() || proxy.listeners() < 1) await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS / 100));
    const begun = performance.now();
    await writer.call('PUT', '/vaults/number-3', { name: 'env' });
    await dataPlane.untilVersion(3);
    t.diagnostic(`and once it listened again ${Math.round(performance.now() - begun)} ms`);
  } finally {
    await dataPlane.stop();
    await Promise.all([writer.stop(), cut.stop()]);
    await proxy.stop();
    await postgres.stop();
  }
});
