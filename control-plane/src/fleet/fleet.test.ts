import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { HelloMessage } from '@vaultplane/model/protocol/protocol.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock, settled } from '@vaultplane/testkit/fake-clock.ts';
import { type Database, DatabaseUnavailable } from '../store/database.ts';
import { FleetNodes } from '../store/fleet-nodes.ts';
import { describeOnBothDatabases, stayingOpen, storeOn } from '../store/testing/stores.ts';
import type { DataPlane } from './data-plane-facts.ts';
import { Fleet } from './fleet.ts';

const OTHER = '22222222-2222-4222-8222-222222222222';
const CONTROL_PLANE = '11111111-1111-4111-8111-111111111111';
const FACTS = { ip: '10.0.0.1', protocol: 1, certExpiresAt: new Date(1e12), bytes: 100, exceeded() {} };
const purge = async () => {};
/** Longer than changes are collected for. */
const A_SECOND = 1000;
/** After which the connected are written again. */
const HALF_A_MINUTE = 30_000;

function hello(members: Partial<HelloMessage> = {}): HelloMessage {
  return {
    type: 'hello',
    protocols: [1],
    node_id: randomUUID(),
    hostname: 'a-host',
    program_version: '0.1.0',
    config: null,
    labels: {},
    ...members,
  };
}

/** What stands in front of the writes of the registry: the test lets each through, or fails it. */
interface Gate {
  /** Waits for the next write, and gives its answer into the test's hand. */
  next(): Promise<{ pass(): Promise<void>; fail(): void }>;
}

/** A database whose writes of the registry wait for the test. */
function gated(database: Database): { database: Database; gate: Gate } {
  const arrived: Array<{ pass(): Promise<void>; fail(): void }> = [];
  let wake: () => void = () => {};
  return {
    database: {
      ...stayingOpen(database),
      query: async (sql, parameters) => {
        if (!/insert into data_planes|update data_planes set config_timeline/.test(sql))
          return database.query(sql, parameters);
        return new Promise((resolve, reject) => {
          arrived.push({
            pass: async () => resolve(await database.query(sql, parameters)),
            fail: () => reject(new DatabaseUnavailable('away')),
          });
          wake();
        });
      },
    },
    gate: {
      async next() {
        while (arrived.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        return arrived.shift()!;
      },
    },
  };
}

function stored(database: Database): Promise<Array<Pick<DataPlane, 'id' | 'hostname' | 'connected' | 'labels'>>> {
  return database.query('select id, hostname, connected, labels from data_planes order by connected_at, id');
}

describeOnBothDatabases('the registry of data planes', (open) => {
  const start = async (database: Database, clock: FakeClock) => {
    await storeOn(database);
    return Fleet.start({ controlPlaneId: CONTROL_PLANE, purge, database, clock, log: silentLog });
  };

  it('has what happened to a data plane while its row was being written, within the same second too', async () => {
    const database = await open();
    const { database: slow, gate } = gated(database);
    const clock = new FakeClock(5_000_000);
    const fleet = await start(slow, clock);
    const member = fleet.join(hello(), FACTS);
    await clock.advance(A_SECOND / 2);
    const first = await gate.next();
    fleet.leave(member);
    await first.pass();
    assert.equal((await stored(database))[0]?.connected, true);
    await clock.advance(A_SECOND);
    await (await gate.next()).pass();
    assert.equal((await stored(database))[0]?.connected, false);
    assert.equal((await fleet.dataPlanes())[0]?.connected, false);
    await fleet.stop();
  });

  it('tells how all are in few words, and reads what others have written once for all who ask within a second', async () => {
    const database = await open();
    const clock = new FakeClock(5_000_000);
    const reads: string[] = [];
    const counted: Database = {
      ...stayingOpen(database),
      query: (text, values) => {
        if (text.startsWith('select')) reads.push(text);
        return database.query(text, values);
      },
    };
    const here = await start(counted, clock);
    const there = await Fleet.start({ controlPlaneId: OTHER, purge, database, clock, log: silentLog });
    const other = there.join(hello({ node_id: OTHER, hostname: 'there' }), FACTS);
    const written = async (connected: boolean) => {
      while (!(await stored(database)).some((row) => row.hostname === 'there' && row.connected === connected));
    };
    await clock.advance(A_SECOND);
    await written(true);
    const member = here.join(hello(), FACTS);
    reads.length = 0;
    const known = async () => (await here.statuses()).map(({ hostname, connected }) => [hostname, connected]).sort();
    const both = [await known(), ...(await Promise.all([known(), known(), known()]))];
    for (const statuses of both)
      assert.deepEqual(
        statuses,
        [
          ['a-host', true],
          ['there', true],
        ].sort(),
      );
    assert.equal(reads.length, 1);
    assert.doesNotMatch(reads[0]!, /reference_counts|vault_counts/);
    // One that leaves here is seen at once, before and after that is written; one that leaves elsewhere, within a second.
    here.leave(member);
    there.leave(other);
    assert.deepEqual((await known())[0], ['a-host', false]);
    await clock.advance(A_SECOND);
    await written(false);
    await clock.advance(A_SECOND);
    assert.deepEqual(
      await known(),
      [
        ['a-host', false],
        ['there', false],
      ].sort(),
    );
    await Promise.all([here.stop(), there.stop()]);
  });

  it('is written later where it could not be written, of those that are gone too', async () => {
    const database = await open();
    const { database: failing, gate } = gated(database);
    const clock = new FakeClock(5_000_000);
    const fleet = await start(failing, clock);
    const member = fleet.join(hello(), FACTS);
    fleet.leave(member);
    await clock.advance(A_SECOND);
    (await gate.next()).fail();
    assert.equal((await fleet.dataPlanes())[0]?.connected, false);
    assert.deepEqual(await stored(database), []);
    await clock.advance(HALF_A_MINUTE);
    await (await gate.next()).pass();
    assert.equal((await stored(database)).length, 1);
    await fleet.stop();
  });

  it('keeps no more than some of those that come and go while nothing can be written', async () => {
    const database = await open();
    const { database: failing, gate } = gated(database);
    const clock = new FakeClock(5_000_000);
    const fleet = await start(failing, clock);
    const comeAndGo = () => fleet.leave(fleet.join(hello({ node_id: randomUUID() }), FACTS));
    comeAndGo();
    await clock.advance(A_SECOND);
    (await gate.next()).fail();
    await settled();
    for (let n = 0; n < 5000; n++) comeAndGo();
    const kept = (await fleet.dataPlanes()).length;
    assert.ok(kept < 1100, `${kept} are kept`);
    await clock.advance(HALF_A_MINUTE);
    await (await gate.next()).pass();
    assert.equal((await stored(database)).length, kept);
    await fleet.stop();
  });

  it('writes a position that could not be written again as soon as it is acknowledged again', async () => {
    const database = await open();
    const { database: failing, gate } = gated(database);
    const clock = new FakeClock(5_000_000);
    const fleet = await start(failing, clock);
    const timeline = randomUUID();
    const at = (version: number) => ({ timeline, version, hash: String(version).repeat(64) });
    const member = fleet.join(hello(), FACTS);
    await clock.advance(A_SECOND);
    await (await gate.next()).pass();
    member.acknowledged(at(1));
    await clock.advance(A_SECOND);
    (await gate.next()).fail();
    await settled();
    member.acknowledged(at(2));
    await clock.advance(A_SECOND);
    await (await gate.next()).pass();
    assert.deepEqual(await database.query('select config_version from data_planes'), [{ config_version: 2 }]);
    const stopped = fleet.stop();
    await (await gate.next()).pass();
    await stopped;
  });

  it('writes of those that have only acknowledged something what that is, and of others all', async () => {
    const database = await open();
    const { database: slow, gate } = gated(database);
    const clock = new FakeClock(5_000_000);
    const fleet = await start(slow, clock);
    const timeline = randomUUID();
    const at = (version: number) => ({ timeline, version, hash: String(version).repeat(64) });
    const rows = async () =>
      (
        await database.query<{ hostname: string; known: string }>(
          `select hostname, concat_ws(' ', config_timeline = $1, config_version, left(config_hash, 2), sync_status, control_plane_id = $2,
             extract(epoch from last_seen)::integer) as known
           from data_planes order by hostname`,
          [timeline, CONTROL_PLANE],
        )
      ).map(({ hostname, known }) => `${hostname}: ${known}`);
    const join = (hostname: string) => fleet.join(hello({ hostname }), FACTS);
    const [first, second, third, moved] = ['first', 'second', 'third', 'moved'].map(join);
    // Before its row has been written, it goes with the row.
    first!.acknowledged(at(1));
    await clock.advance(A_SECOND);
    await (await gate.next()).pass();
    assert.deepEqual(await rows(), [
      'first: t 1 11 normal t 5000',
      'moved: unknown t 5000',
      'second: unknown t 5000',
      'third: unknown t 5000',
    ]);

    await database.query('update data_planes set control_plane_id = $2 where id = $1', [moved!.row.id, OTHER]);
    for (const member of [first, second, moved]) member!.acknowledged(at(2));
    await clock.advance(2);
    third!.acknowledged(at(3));
    await clock.advance(A_SECOND);
    const failed = await gate.next();
    // What happens meanwhile is kept too.
    second!.rejected();
    third!.acknowledged(at(4));
    failed.fail();
    await clock.advance(A_SECOND);
    // The row of one, and the positions of two.
    for (let write = 0; write < 3; write++) await (await gate.next()).pass();
    // Not that of the one that has come to another control plane.
    assert.deepEqual(await rows(), [
      'first: t 2 22 normal t 5001',
      'moved: unknown f 5000',
      'second: t 2 22 rejected t 5002',
      'third: t 4 44 normal t 5002',
    ]);
    const known = (await fleet.dataPlanes()).map(({ hostname, config_version }) => [hostname, config_version]);
    assert.deepEqual(known.sort(), [
      ['first', 2],
      ['moved', 2],
      ['second', 2],
      ['third', 4],
    ]);
    const stopped = fleet.stop();
    await (await gate.next()).pass();
    await stopped;
  });

  it('takes of a data plane even what no database holds, and goes on with the others', async () => {
    const database = await open();
    const fleet = await start(database, new FakeClock(5_000_000));
    fleet.join(hello({ hostname: 'good' }), FACTS);
    const odd = fleet.join(hello({ hostname: 'bad\0\ud800\\u0000', labels: { 'a\0': '\udfff"\n🔑' } }), FACTS);
    odd.reported(
      {
        type: 'report',
        references: { fresh: 0, stale: 0, resurrected: 0, negative: 0 },
        rejected_vaults: [{ prefix: 'x-y', reason: 'no\0reason' }],
      },
      100,
    );
    await fleet.stop();
    const rows = await stored(database);
    assert.deepEqual(rows.map(({ hostname }) => hostname).sort(), ['bad\ufffd\ufffd\\u0000', 'good']);
    assert.deepEqual(rows.find(({ hostname }) => hostname !== 'good')?.labels, { 'a\ufffd': '\ufffd"\n🔑' });
  });

  it('says of two links of one data plane what the newer one says', async () => {
    const database = await open();
    const fleet = await start(database, new FakeClock(5_000_000));
    const id = randomUUID();
    const older = fleet.join(hello({ node_id: id, hostname: 'before' }), FACTS);
    const newer = fleet.join(hello({ node_id: id, hostname: 'after' }), FACTS);
    fleet.leave(older);
    assert.equal(fleet.connected, 1);
    older.rejected();
    const [row] = await fleet.dataPlanes();
    assert.deepEqual([row?.hostname, row?.connected, row?.sync_status], ['after', true, 'unknown']);
    fleet.leave(newer);
    assert.equal(fleet.connected, 0);
    await fleet.stop();
  });

  it('says of those of a control plane that was killed that they are gone, at its next start or after a while', async () => {
    const database = await open();
    const clock = new FakeClock(5_000_000);
    await storeOn(database);
    const killed = await Fleet.start({ controlPlaneId: CONTROL_PLANE, purge, database, clock, log: silentLog });
    killed.join(hello(), FACTS);
    await clock.advance(A_SECOND);
    // Its rows are written in their order.
    while ((await stored(database)).length === 0) await clock.advance(1);

    const other = await Fleet.start({
      controlPlaneId: randomUUID(),
      purge,
      database,
      // The clocks of control planes differ: the database's alone says how old a row is.
      clock: new FakeClock(5_000_000 + 3_600_000),
      log: silentLog,
    });
    assert.equal((await other.dataPlanes())[0]?.connected, true);
    await database.query("update data_planes set written_at = now() - interval '91 s'");
    const later = await Fleet.start({
      controlPlaneId: randomUUID(),
      purge,
      database,
      clock: new FakeClock(5_000_000),
      log: silentLog,
    });
    assert.equal((await later.dataPlanes())[0]?.connected, false);
    const again = await Fleet.start({
      controlPlaneId: CONTROL_PLANE,
      purge,
      database,
      clock: new FakeClock(5_000_000),
      log: silentLog,
    });
    assert.equal((await again.dataPlanes())[0]?.connected, false);
    await Promise.all([other.stop(), later.stop(), again.stop()]);
  });

  it('has the data planes that nobody has seen for long deleted, every minute, by the clock of the database', async () => {
    const database = await open();
    const clock = new FakeClock(5_000_000);
    await storeOn(database);
    const nodes = new FleetNodes(database, clock);
    const options = { controlPlaneId: CONTROL_PLANE, database, clock, log: silentLog };
    const fleet = await Fleet.start({ ...options, purge: () => nodes.purge(100) });
    for (const hostname of ['gone for good', 'gone just now']) fleet.leave(fleet.join(hello({ hostname }), FACTS));
    await clock.advance(A_SECOND);
    while ((await stored(database)).length < 2) await clock.advance(1);
    await database.query(
      "update data_planes set written_at = now() - interval '101 s' where hostname = 'gone for good'",
    );
    // Ids that were claimed by links which were not let in are nobody's after a while.
    const claimed = [randomUUID(), randomUUID()];
    for (const [n, id] of claimed.entries()) await nodes.claim(id, { commonName: '', publicKey: `key ${n}` });
    await database.query("update data_plane_identities set first_seen = now() - interval '11 min' where node_id = $1", [
      claimed[0],
    ]);
    for (let minute = 0; minute < 2; minute++) for (let half = 0; half < 2; half++) await clock.advance(HALF_A_MINUTE);
    while ((await stored(database)).length > 1) await clock.advance(1);
    assert.deepEqual(
      (await fleet.dataPlanes()).map(({ hostname }) => hostname),
      ['gone just now'],
    );
    const left = await database.query<{ node_id: string }>('select node_id from data_plane_identities');
    assert.deepEqual(
      left.map(({ node_id }) => node_id),
      [claimed[1]],
    );
    await fleet.stop();
  });
});
