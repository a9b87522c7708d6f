import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type PostgresServer, postgresMissing, startPostgresServer } from '../store/testing/postgres-server.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import { TestDataPlane } from './testing/test-data-plane.ts';

const CONTROL_PLANES = 4;
const WRITERS = 8;
const CHANGES = 2000;

describe('four control planes on one Postgres, eight writers, two thousand changes', {
  skip: postgresMissing(),
}, () => {
  let postgres: PostgresServer;
  let cps: TestControlPlane[] = [];
  before(async () => {
    postgres = await startPostgresServer();
    const env = {
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: postgres.host,
      VAULTPLANE_PG_PORT: String(postgres.port),
      VAULTPLANE_PG_DATABASE: await postgres.createDatabase(),
      VAULTPLANE_CONFIG_VERSIONS_KEPT: String(CHANGES),
      VAULTPLANE_LOG_LEVEL: 'warn',
    };
    cps = await Promise.all(Array.from({ length: CONTROL_PLANES }, () => startTestControlPlane({ env })));
  });
  after(async () => {
    await Promise.all(cps.map((cp) => cp.stop()));
    await postgres?.stop();
  });

  it('lose and reorder no version, and every data plane ends on the same hash, having seen versions only rise', async (t) => {
    const dataPlanes = await Promise.all(
      cps.flatMap((controlPlane) => [TestDataPlane.start({ controlPlane }), TestDataPlane.start({ controlPlane })]),
    );
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: WRITERS }, async (_, writer) => {
        for (let change = 0; change < CHANGES / WRITERS; change++) {
          // Each writer goes from one control plane to the next, and all change the same twenty vaults.
          const cp = cps[(writer + change) % CONTROL_PLANES]!;
          const body = { name: 'env', description: `writer ${writer}, change ${change}` };
          const answer = await cp.call('PUT', `/vaults/shared-${(writer * 7 + change) % 20}`, body);
          assert.equal(answer.status, 200, answer.text);
          assert.equal(answer.json.description, body.description);
        }
      }),
    );
    await Promise.all(dataPlanes.map((dataPlane) => dataPlane.untilVersion(CHANGES)));
    t.diagnostic(`${CHANGES} changes in ${Math.round(performance.now() - begun)} ms`);

    for (const { messages } of dataPlanes) {
      const versions = messages.flatMap((message) =>
        message.type === 'snapshot' ? [message.version] : message.type === 'delta' ? [message.to] : [],
      );
      assert.deepEqual(
        versions,
        [...new Set(versions)].sort((a, b) => a - b),
        'versions only rise',
      );
      assert.ok(messages.every(({ type }) => type !== 'refuse'));
    }
    assert.equal(new Set(dataPlanes.map(({ snapshot }) => snapshot!.hash)).size, 1);
    const positions = await Promise.all(
      cps.map(async (cp) => (await cp.call('GET', '/status')).json.vaultplane.config),
    );
    for (const position of positions) assert.deepEqual(position, positions[0]);
    assert.deepEqual([positions[0].version, positions[0].hash], [CHANGES, dataPlanes[0]!.snapshot!.hash]);

    // Every change is in the log once, by the order in which versions were given, and each begins where another ended.
    const listed: Array<{ version: number; created: number; updated: number }> = [];
    for (let path: string | null = '/config/versions?size=1000'; path !== null; ) {
      const { json } = await cps[0]!.call('GET', path);
      listed.push(...json.data);
      path = json.next;
    }
    assert.deepEqual(
      listed.map(({ version }) => version),
      Array.from({ length: CHANGES }, (_, index) => CHANGES - index),
    );
    assert.equal(
      listed.reduce((sum, { created }) => sum + created, 0),
      20,
    );
    assert.equal(
      listed.reduce((sum, { updated }) => sum + updated, 0),
      CHANGES - 20,
    );
    await Promise.all(dataPlanes.map((dataPlane) => dataPlane.stop()));
  });
});
