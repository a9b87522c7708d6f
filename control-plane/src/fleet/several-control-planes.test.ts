import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ReferencesMessage } from '@vaultplane/model/protocol/protocol.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { openPostgresDatabase } from '../store/postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from '../store/testing/postgres-server.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import type { Serving } from './reference-census.ts';
import { TestDataPlane } from './testing/test-data-plane.ts';

describe('several control planes on one Postgres', { skip: postgresMissing() }, () => {
  let postgres: PostgresServer;
  let one: TestControlPlane;
  let two: TestControlPlane;
  let env: Record<string, string>;
  before(async () => {
    postgres = await startPostgresServer();
    env = {
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
    const { json: before } = await one.call('GET', '/');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? one : two).call('PUT', `/vaults/together-${index}`, { name: 'env' }),
      ),
    );
    assert.ok(answers.every(({ status }) => status === 200));
    for (const cp of [one, two]) {
      const dataPlane = await TestDataPlane.start({ controlPlane: cp });
      await dataPlane.untilVersion(before.vaultplane.config.version + 20);
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

  it('each sums up what the data planes of all hold, and leaves out a control plane that has gone', async () => {
    const held = (version: string, state: number, fetchedAgo: number): ReferencesMessage => ({
      type: 'references',
      names: [[0, 'my', '{vault://my/db}']],
      held: [[0, state, version, Math.floor(Date.now() / 1000) - fetchedAgo]],
      gone: [],
      complete: true,
    });
    const three = await startTestControlPlane({ env });
    const dataPlanes = await Promise.all(
      [one, two, two, three].map((controlPlane) => TestDataPlane.start({ controlPlane })),
    );
    for (const [index, message] of [
      held('v2', 0, 5),
      held('v2', 0, 50),
      held('v1', 2, 500),
      held('v1', 2, 9000),
    ].entries()) {
      // Told of only where the welcome says that it may be.
      await dataPlanes[index]!.until(({ messages: [welcome] }) => welcome);
      const [welcome] = dataPlanes[index]!.messages;
      assert.ok(welcome?.type === 'welcome' && welcome.accepts?.includes('references'));
      dataPlanes[index]!.send(message);
    }
    const list = async (cp: TestControlPlane, query = '') =>
      (await cp.call('GET', `/clustering/references${query}`)).json;
    for (const cp of [one, two, three]) {
      while ((await list(cp)).data_planes.telling !== 4) await cp.call('GET', '/');
      const { data, data_planes } = await list(cp, '?vault=my');
      assert.deepEqual(data_planes, { telling: 4, complete: 4 });
      assert.equal(data.length, 1);
      const [{ oldest_age_s, servings, ...rest }] = data;
      assert.deepEqual(rest, { vault: 'my', reference: '{vault://my/db}', data_planes: 4 });
      assert.ok(oldest_age_s >= 9000 && oldest_age_s < 9100);
      assert.deepEqual(
        new Map(
          servings.map(({ version_id, oldest_age_s: age, ...serving }: Serving & { oldest_age_s: number }) => [
            version_id,
            { ...serving, age: Math.floor(age / 1000) },
          ]),
        ),
        new Map([
          ['v1', { state: 'resurrected', data_planes: 2, age: 9 }],
          ['v2', { state: 'fresh', data_planes: 2, age: 0 }],
        ]),
      );
    }
    assert.deepEqual((await list(one, '?vault=other')).data, []);
    await three.stop();
    while ((await list(one)).data_planes.telling !== 3) await one.call('GET', '/');
    // The row of one that was killed stays, and nobody renews it.
    const database = await openPostgresDatabase(one.settings, silentLog, systemClock);
    for (const [seconds, telling] of [
      [10, 3 + 9],
      [21, 3],
    ] as const) {
      await database.query(
        `insert into reference_tallies (control_plane_id, data_planes, complete, tallies, seen_at)
         values ($1, 9, 9, '[]', now() - make_interval(secs => $2))
         on conflict (control_plane_id) do update set seen_at = excluded.seen_at`,
        ['99999999-9999-4999-8999-999999999999', seconds],
      );
      assert.equal((await list(one)).data_planes.telling, telling);
    }
    await database.close();
    for (const dataPlane of dataPlanes) await dataPlane.stop();
    while ((await list(two)).data_planes.telling !== 0) await two.call('GET', '/');
  });

  it('a refresh that is asked for at one reaches the data planes of all, and what came of it is told by each', async () => {
    await one.call('PUT', '/vaults/to-refresh', { name: 'env' });
    const accepts = ['command'];
    const dataPlanes = await Promise.all(
      [one, two, two].map((controlPlane) => TestDataPlane.start({ controlPlane, hello: { accepts } })),
    );
    const old = await TestDataPlane.start({ controlPlane: two });
    const [atOne, atTwo, unwilling] = dataPlanes as [TestDataPlane, TestDataPlane, TestDataPlane];
    for (const dataPlane of [...dataPlanes, old]) await dataPlane.until(({ snapshot }) => snapshot);
    atOne.outcome = { status: 'done', asked: 3, refreshed: 3, changed: 1, failed: 0 };
    atTwo.outcome = { status: 'done', asked: 2, refreshed: 1, changed: 1, failed: 1 };
    unwilling.outcome = {
      status: 'refused',
      reason: 'there is no such vault here',
      asked: 0,
      refreshed: 0,
      changed: 0,
      failed: 0,
    };

    const {
      status,
      json: given,
      headers,
    } = await one.call('POST', '/vaults/to-refresh/refresh', { path: 'db/password', spread_s: 2 });
    assert.equal(status, 202);
    assert.equal(headers.get('location'), `/clustering/commands/${given.id}`);
    assert.deepEqual([given.vault, given.path, given.command], ['to-refresh', 'db/password', 'refresh']);
    for (const dataPlane of dataPlanes) {
      await dataPlane.until(({ types }) => types.includes('command'));
      assert.deepEqual(
        dataPlane.messages.find(({ type }) => type === 'command'),
        {
          type: 'command',
          id: given.id,
          command: 'refresh',
          request_id: headers.get('x-request-id'),
          vault: 'to-refresh',
          paths: ['db', 'db/password'],
          spread_ms: 2000,
        },
      );
    }
    for (const cp of [one, two]) {
      const progress = async () => (await cp.call('GET', `/clustering/commands/${given.id}`)).json;
      while ((await progress()).data_planes.sent !== 3 || (await progress()).data_planes.waiting !== 0)
        await cp.call('GET', '/');
      const { data_planes, secrets, control_planes, reasons } = await progress();
      assert.deepEqual(data_planes, { sent: 3, done: 2, refused: 1, lost: 0, waiting: 0 });
      assert.deepEqual(secrets, { asked: 5, refreshed: 4, changed: 2, failed: 1 });
      assert.deepEqual([control_planes, reasons], [2, ['there is no such vault here']]);
    }
    assert.ok(!old.types.includes('command'), 'a data plane of a release that knows no commands is sent none');

    // One that goes away before it has answered is counted too, and once is enough for each command.
    atOne.outcome = undefined;
    const second = (await two.call('POST', '/vaults/to-refresh/refresh')).json;
    await atOne.until(({ types }) => types.filter((type) => type === 'command').length === 2);
    await atOne.stop();
    const lost = async () => (await two.call('GET', `/clustering/commands/${second.id}`)).json.data_planes.lost;
    while ((await lost()) !== 1) await two.call('GET', '/');
    for (const dataPlane of [atTwo, unwilling]) {
      assert.equal(dataPlane.types.filter((type) => type === 'command').length, 2);
      await dataPlane.stop();
    }
    await old.stop();
    const audit = (await one.call('GET', '/audit/requests?size=1000')).json.data.map(
      ({ path }: { path: string }) => path,
    );
    assert.equal(audit.filter((path: string) => path === '/vaults/to-refresh/refresh').length, 2);
  });

  it('what came of a refresh is told also when it could not be written at once', async () => {
    await one.call('PUT', '/vaults/to-tell-later', { name: 'env' });
    const dataPlane = await TestDataPlane.start({ controlPlane: one, hello: { accepts: ['command'] } });
    await dataPlane.until(({ snapshot }) => snapshot);
    dataPlane.outcome = { status: 'done', asked: 7, refreshed: 7, changed: 2, failed: 0 };
    const database = await openPostgresDatabase(one.settings, silentLog, systemClock);
    await database.query('alter table fleet_command_results add constraint no_room check (false) not valid');
    const { json: given } = await one.call('POST', '/vaults/to-tell-later/refresh');
    await dataPlane.until(({ types }) => types.includes('command'));
    // The first is made before the data plane has answered.
    await until(
      'two writes have failed',
      () => one.logged().filter(({ id, error }) => id === given.id && /no_room/.test(String(error))).length > 1,
    );
    await database.query('alter table fleet_command_results drop constraint no_room');
    await database.close();
    await until('the results are told', async () => {
      const { json } = await one.call('GET', `/clustering/commands/${given.id}`);
      return json.secrets?.asked === 7 && json.data_planes?.done === 1;
    });
    await dataPlane.stop();
  });

  it('a refresh of no vault, of a wrong path or too often is refused', async () => {
    assert.equal((await one.call('POST', '/vaults/no-such/refresh')).status, 404);
    assert.equal((await one.call('POST', '/vaults/aws/refresh')).status, 202, 'the vault of settings');
    for (const body of [{ path: '%zz' }, { path: 7 }, { spread_s: -1 }, { spread_s: 'x' }, { other: 1 }]) {
      const { status, json } = await one.call('POST', '/vaults/aws/refresh', body);
      assert.deepEqual([status, json.code], [400, 11], JSON.stringify(json));
    }
    let answer = await one.call('POST', '/vaults/aws/refresh');
    for (let count = 0; count < 100 && answer.status === 202; count++)
      answer = await one.call('POST', '/vaults/aws/refresh');
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    assert.equal((await one.call('GET', '/clustering/commands/nothing')).status, 404);
  });

  it('serve their data planes while Postgres is away, say so, and go on when it is back', async () => {
    const { json: before } = await one.call('GET', '/');
    const { version } = before.vaultplane.config;
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
