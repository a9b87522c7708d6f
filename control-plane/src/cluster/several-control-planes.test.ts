import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type PostgresServer, postgresMissing, startPostgresServer } from '../store/testing/postgres-server.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import { TestDataPlane } from './testing/test-data-plane.ts';

describe('several control planes on one Postgres', { skip: postgresMissing() }, () => {
  let postgres: PostgresServer;
  let one: TestControlPlane;
  let two: TestControlPlane;
  before(async () => {
    postgres = await startPostgresServer();
    const env = {
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: postgres.host,
      VAULTPLANE_PG_PORT: String(postgres.port),
      VAULTPLANE_PG_DATABASE: await postgres.createDatabase(),
      VAULTPLANE_PG_PASSWORD: 'canary-pg-password',
    };
    // Both at once, on a database without a schema.
    [one, two] = await Promise.all([startTestControlPlane({ env }), startTestControlPlane({ env })]);
  });
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await postgres?.stop();
  });

  it('any serves any data plane, and a change at one reaches the data planes of the other', async () => {
    const dataPlane = await TestDataPlane.start({ controlPlane: two });
    await dataPlane.untilVersion(0);
    assert.equal((await one.call('PUT', '/vaults/from-one', { name: 'env' })).status, 200);
    await dataPlane.untilVersion(1);
    assert.equal((await two.call('PUT', '/vaults/from-two', { name: 'env' })).status, 200);
    await dataPlane.untilVersion(2);
    await dataPlane.stop();

    const moved = await TestDataPlane.start(
      { controlPlane: one, hello: { node_id: dataPlane.id } },
      dataPlane.snapshot,
    );
    await one.call('PUT', '/vaults/from-one', { name: 'env', description: 'again' });
    await moved.untilVersion(3);
    assert.deepEqual(moved.types, ['welcome', 'delta']);
    await moved.stop();
  });

  it('writers at both lose nothing and make no version twice', async () => {
    const { json: before } = await one.call('GET', '/clustering/status');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? one : two).call('PUT', `/vaults/together-${index}`, { name: 'env' }),
      ),
    );
    assert.ok(answers.every(({ status }) => status === 200));
    for (const cp of [one, two]) {
      const dataPlane = await TestDataPlane.start({ controlPlane: cp });
      await dataPlane.untilVersion(before.config.version + 20);
      assert.equal(dataPlane.snapshot!.vaults.filter(({ prefix }) => prefix.startsWith('together-')).length, 20);
      await dataPlane.stop();
    }
  });

  it('each tells of the data planes of all', async () => {
    const [atOne, atTwo] = [
      await TestDataPlane.start({ controlPlane: one }),
      await TestDataPlane.start({ controlPlane: two }),
    ];
    const listed = async (cp: TestControlPlane) => {
      const { json } = await cp.call('GET', '/clustering/data-planes');
      return new Map<string, { connected: boolean; control_plane_id: string }>(
        json.data.map((row: { id: string }) => [row.id, row]),
      );
    };
    for (const cp of [one, two]) {
      // The other's row is there once it is written: there is no event for that.
      for (const [id, at] of [
        [atOne.id, one],
        [atTwo.id, two],
      ] as const) {
        while ((await listed(cp)).get(id)?.control_plane_id !== at.nodeId) await cp.call('GET', '/');
        assert.equal((await listed(cp)).get(id)?.connected, true);
      }
    }
    await Promise.all([atOne.stop(), atTwo.stop()]);
    for (const id of [atOne.id, atTwo.id]) {
      while ((await listed(one)).get(id)?.connected !== false) await one.call('GET', '/');
    }
  });

  it('serve their data planes while Postgres is away, say so, and go on when it is back', async () => {
    const { json: before } = await one.call('GET', '/clustering/status');
    const { version } = before.config;
    await postgres.kill();
    const dataPlane = await TestDataPlane.start({ controlPlane: one });
    await dataPlane.untilVersion(version);
    const refused = await one.call('PUT', '/vaults/while-away', { name: 'env' });
    assert.deepEqual([refused.status, refused.json], [503, { message: 'the database can not be reached' }]);
    assert.equal(refused.headers.get('retry-after'), '2');
    // What is read of the configuration that is in force is read on, from memory.
    const vault = await two.call('GET', '/vaults/from-one');
    assert.deepEqual([vault.status, vault.json.description], [200, 'again']);
    assert.deepEqual((await one.call('GET', `/vaults/${vault.json.id}`)).json, vault.json);
    const { json: list } = await one.call('GET', '/vaults?size=1000');
    const { json: document } = await one.call('GET', '/config');
    assert.ok(list.data.length > 20);
    assert.equal(document.vaults.length, list.data.length);
    const { json: half } = await one.call('GET', '/vaults?size=10');
    const { json: rest } = await one.call('GET', half.next.replace('size=10', 'size=1000'));
    assert.deepEqual([...half.data, ...rest.data], list.data);
    assert.equal((await one.call('GET', '/vaults/none-such')).status, 404);
    assert.deepEqual((await one.call('GET', '/tags')).json.data, []);
    const { json: members } = await one.call('GET', '/clustering/data-planes');
    assert.ok(members.data.some(({ id }: { id: string }) => id === dataPlane.id));
    assert.equal((await one.call('GET', '/config/versions')).status, 503);
    const ready = async () => (await fetch(`${one.statusUrl}/status/ready`)).status;
    // The poll is what notices.
    while ((await ready()) !== 503) await one.call('GET', '/');
    assert.equal((await fetch(`${one.statusUrl}/status/live`)).status, 200);

    await postgres.restart();
    assert.equal((await two.call('PUT', '/vaults/when-back', { name: 'env' })).status, 200);
    await dataPlane.untilVersion(version + 1);
    while ((await ready()) !== 200) await one.call('GET', '/');
    await dataPlane.stop();
  });

  it('log no password', () => {
    assert.ok(!JSON.stringify([...one.logged(), ...two.logged()]).includes('canary-pg-password'));
  });
});
