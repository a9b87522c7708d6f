import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { decodeControlPlaneMessage, vaultsOf } from '@vaultplane/model/protocol/protocol.ts';
import { applyDelta, checkSnapshot, makeSnapshot, type Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { type Database, DatabaseUnavailable } from '../store/database.ts';
import type { Store } from '../store/open-store.ts';
import { describeOnBothDatabases, storeOn } from '../store/testing/stores.ts';
import { newVault } from '../store/testing/vaults.ts';
import { POLL_MS, type Publication, Publisher } from './publisher.ts';

const ACTOR = { name: 'a test', role: 'admin', remoteAddress: null } as const;
const REQUEST = { method: 'PUT', path: '/vaults/x' };

async function put(store: Store, ...vaults: VaultEntity[]): Promise<number> {
  const { version } = await store.config.change(ACTOR, REQUEST, async (edit) => {
    for (const each of vaults) await edit.put(each);
  });
  return version;
}

function publisherOf(store: Store, clock = systemClock): Promise<Publisher> {
  return Publisher.start({ store: store.config, database: store.database, clock, log: silentLog });
}

/** What a data plane makes of it. */
function applied(publication: Publication | undefined, base?: Snapshot): Snapshot {
  const message = decodeControlPlaneMessage(publication!.bytes);
  if (message.type === 'snapshot') return checkSnapshot({ ...message, vaults: vaultsOf(message.vaults) });
  assert.ok(message.type === 'delta' && base);
  return applyDelta(base, { ...message, upserts: vaultsOf(message.upserts) });
}

function untilVersion(publisher: Publisher, version: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (publisher.current.version < version) return;
      stop();
      resolve();
    };
    const stop = publisher.follow(look);
    look();
  });
}

/** Deaf: notifications do not come. */
function deaf(database: Database): Database {
  return {
    kind: database.kind,
    query: (sql, parameters) => database.query(sql, parameters),
    script: (sql) => database.script(sql),
    transaction: (work, options) => database.transaction(work, options),
    listen: async () => async () => {},
    close: async () => {},
  };
}

describeOnBothDatabases('the publisher', (open) => {
  it('follows the database, and has deltas from every version since it started', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const seen: Snapshot[] = [publisher.current];
    publisher.follow(() => seen.push(publisher.current));
    const [a, b] = [newVault('aa'), newVault('bb')];
    await put(store, a);
    await untilVersion(publisher, 1);
    await put(store, b, { ...a, description: 'changed' });
    await untilVersion(publisher, 2);
    await store.config.change(ACTOR, REQUEST, (edit) => edit.delete(a.id));
    await untilVersion(publisher, 3);

    for (const base of seen.slice(0, -1)) {
      assert.deepEqual(applied(await publisher.delta(base), base), publisher.current);
    }
    assert.equal(await publisher.delta(publisher.current), undefined);
    assert.deepEqual(applied(await publisher.whole()), publisher.current);
    await publisher.stop();
  });

  it('encodes each delta and each whole snapshot once, whoever asks', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const base = publisher.current;
    await untilVersion(publisher, await put(store, newVault('aa')));
    const deltas = await Promise.all([publisher.delta(base), publisher.delta(base), publisher.delta(base)]);
    assert.equal(new Set(deltas.map((delta) => delta?.bytes)).size, 1);
    assert.equal((await publisher.whole()).bytes, (await publisher.whole()).bytes);
    await publisher.stop();
  });

  it('has the delta of a step ready when it tells of it, and none for anybody else', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const base = publisher.current;
    const ready: Array<Publication | undefined> = [];
    publisher.follow(() => ready.push(publisher.readyDelta({ ...base })));
    await untilVersion(publisher, await put(store, newVault('aa')));
    assert.deepEqual(applied(ready[0], base), publisher.current);
    assert.equal(await publisher.delta(base), ready[0]);
    assert.equal(publisher.readyDelta({ ...base, hash: publisher.current.hash }), undefined);
    assert.equal(publisher.readyDelta(publisher.current), undefined);

    await untilVersion(publisher, await put(store, newVault('bb')));
    assert.equal(publisher.readyDelta(base), undefined);
    await publisher.stop();
  });

  it('makes a step of very many changes only when it is asked for', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const base = publisher.current;
    const many = Array.from({ length: 101 }, (_, index) => newVault(`many-${index}`));
    await untilVersion(publisher, await put(store, ...many));
    assert.equal(publisher.readyDelta(base), undefined);
    assert.deepEqual(applied(await publisher.delta(base), base), publisher.current);
    await publisher.stop();
  });

  it('has deltas from before its start, out of the log', async () => {
    const store = await storeOn(await open());
    const first = await publisherOf(store);
    const [a, b] = [newVault('aa'), newVault('bb')];
    await untilVersion(first, await put(store, a, b));
    const base = first.current;
    await first.stop();
    await put(store, { ...a, prefix: 'cc' }, newVault('dd'));
    await store.config.change(ACTOR, REQUEST, (edit) => edit.delete(b.id));

    const second = await publisherOf(store);
    assert.deepEqual(applied(await second.delta(base), base), second.current);
    const wrong = makeSnapshot(base.timeline, base.version, [a]);
    assert.equal(await second.delta(wrong), undefined);
    await second.stop();
  });

  it('comes to the same configuration by deltas as by loading it', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const ids = Array.from({ length: 5 }, () => randomUUID());
    let version = 0;
    for (let round = 0; round < 30; round++) {
      const id = ids[(round * 7) % ids.length]!;
      const { version: made } = await store.config.change(ACTOR, REQUEST, async (edit) => {
        if (round % 3 === 2) await edit.delete(id);
        else await edit.put(newVault(`v-${id.slice(0, 8)}`, { id, description: `round ${round}` }));
      });
      version = made;
    }
    await untilVersion(publisher, version);
    const loaded = await store.config.load();
    assert.deepEqual(publisher.current, makeSnapshot(loaded.timeline, loaded.version, loaded.vaults));
    await publisher.stop();
  });

  it('finds by its poll what no notification told it', async () => {
    const database = await open();
    const [store, writer] = [await storeOn(database), await storeOn(database)];
    const clock = new FakeClock();
    const publisher = await Publisher.start({
      store: store.config,
      database: deaf(store.database),
      clock,
      log: silentLog,
    });
    await put(writer, newVault('aa'));
    assert.equal(publisher.current.version, 0);
    await clock.advance(POLL_MS);
    await untilVersion(publisher, 1);
    await publisher.stop();
  });

  it('misses no news, at whatever moment of its reading somebody tells it that there are some', async () => {
    const database = await open();
    const writer = await storeOn(database);
    let onPosition: (() => Promise<void>) | undefined;
    const store = await storeOn({
      ...deaf(database),
      query: async (sql, parameters) => {
        const rows = await database.query<never>(sql, parameters);
        if (/^select timeline, version from config_state$/.test(sql)) await onPosition?.();
        return rows;
      },
    });
    // A clock that stands still never polls.
    const publisher = await publisherOf(store, new FakeClock());
    for (let turns = 0; turns < 30; turns++) {
      let told: Promise<void> | undefined;
      const telling = new Promise<void>((resolve) => {
        onPosition = async () => {
          onPosition = undefined;
          // Behind what was just read; who made it tells of it so many turns later.
          const version = await put(writer, newVault(`after-${turns}-turns`));
          let turn = Promise.resolve();
          for (let n = 0; n < turns; n++) turn = turn.then(() => {});
          void turn.then(() => {
            told = publisher.refresh().then(() => assert.equal(publisher.current.version, version, `${turns} turns`));
            resolve();
          });
        };
      });
      await publisher.refresh();
      await telling;
      await told;
    }
    await publisher.stop();
  });

  it('takes what its store commits as it is told, and reads what another has written between', async () => {
    const database = await open();
    const [store, writer] = [await storeOn(database), await storeOn(database)];
    // Neither a notification nor a poll comes.
    const publisher = await Publisher.start({
      ...{ store: store.config, database: deaf(database), clock: new FakeClock(), log: silentLog },
    });
    const seen: number[] = [];
    publisher.follow(() => seen.push(publisher.current.version));
    await put(store, newVault('aa'));
    await put(writer, newVault('bb'));
    await put(writer, newVault('cc'));
    await put(store, newVault('dd'));
    await publisher.caughtUp();
    assert.deepEqual(seen, [1, 4]);
    const loaded = await store.config.load();
    assert.deepEqual(publisher.current, makeSnapshot(loaded.timeline, loaded.version, loaded.vaults));
    await publisher.stop();
  });

  it('looks at the database where its store does not know what was committed', async () => {
    const database = await open();
    const writer = await storeOn(database);
    let isLost = false;
    const store = await storeOn({
      ...deaf(database),
      query: async (sql, parameters) => {
        const rows = await database.query<never>(sql, parameters);
        if (isLost && sql.includes('update config_state')) throw new DatabaseUnavailable('lost behind the commit');
        return rows;
      },
    });
    const publisher = await Publisher.start({
      ...{ store: store.config, database: deaf(database), clock: new FakeClock(), log: silentLog },
    });
    await put(store, newVault('aa'));
    isLost = true;
    const published = untilVersion(publisher, 2);
    await assert.rejects(put(store, newVault('bb')), DatabaseUnavailable);
    await published;
    isLost = false;
    await put(writer, newVault('cc'));
    assert.equal(await put(store, newVault('dd')), 4);
    await publisher.stop();
  });

  it('begins a new timeline when the database went back to an earlier version', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    await put(store, newVault('aa'));
    await untilVersion(publisher, await put(store, newVault('bb')));
    const { timeline } = publisher.current;
    await store.database.transaction(async (transaction) => {
      await transaction.query("delete from vaults where prefix = 'bb'");
      await transaction.query('delete from config_changes where version = 2');
      await transaction.query('delete from config_versions where version = 2');
      await transaction.query('update config_state set version = 1');
    });
    await publisher.refresh();
    assert.notEqual(publisher.current.timeline, timeline);
    assert.deepEqual(
      publisher.current.vaults.map(({ prefix }) => prefix),
      ['aa'],
    );
    await publisher.stop();
  });

  it('begins a new timeline when a data plane has what the database never had, once for all that have it', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    await untilVersion(publisher, await put(store, newVault('aa')));
    const { timeline } = publisher.current;
    const later = makeSnapshot(timeline, 7, []);
    await publisher.compare(later, 'a node');
    const renewed = publisher.current.timeline;
    assert.notEqual(renewed, timeline);
    assert.equal(publisher.current.version, 1);
    await publisher.compare(later, 'another node');
    assert.equal(publisher.current.timeline, renewed);
    await publisher.compare(publisher.position, 'a third node');
    assert.equal(publisher.current.timeline, renewed);
    await publisher.stop();
  });

  it('begins no new timeline again and again for a data plane that says so', async () => {
    const store = await storeOn(await open());
    const publisher = await publisherOf(store);
    const timelines = new Set<string>();
    for (let time = 0; time < 10; time++) {
      timelines.add(publisher.current.timeline);
      await publisher.compare(makeSnapshot(publisher.current.timeline, 7, []), 'a node');
    }
    assert.equal(timelines.size, 4);
    await publisher.stop();
  });
});
