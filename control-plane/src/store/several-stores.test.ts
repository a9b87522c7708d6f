import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { Publisher } from '../fleet/publisher.ts';
import type { Actor } from './audit-log.ts';
import type { Database } from './database.ts';
import { MIGRATIONS, migrate } from './migrations.ts';
import { prepareStore, type Store } from './open-store.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from './testing/postgres-server.ts';
import { postgresSettings } from './testing/stores.ts';

const REQUEST = { method: 'PUT', path: '/vaults/x' };
const STORES = 4;
const CHANGES = 50;

/** Each with connections of its own, as the control planes of a cluster have them. */
describe('several stores on one Postgres', { skip: postgresMissing() }, () => {
  let server: PostgresServer;
  let databases: Database[] = [];
  before(async () => {
    server = await startPostgresServer();
  });
  after(async () => {
    await close();
    await server?.stop();
  });
  const close = () => Promise.all(databases.map((database) => database.close()));
  beforeEach(async () => {
    await close();
    const settings = postgresSettings(server, await server.createDatabase());
    databases = await Promise.all(
      Array.from({ length: STORES }, () => openPostgresDatabase(settings, silentLog, systemClock)),
    );
  });
  const stores = (): Promise<Store[]> =>
    Promise.all(databases.map((database) => prepareStore(database, silentLog, systemClock)));
  const put = (store: Store, actor: Actor, prefix: string) =>
    store.config.change(actor, REQUEST, (edit) =>
      edit.put({
        ...{ id: randomUUID(), prefix, name: 'env', description: null, config: {}, tags: null },
        ...{ created_at: 1, updated_at: 1 },
      }),
    );
  const actor = (index: number): Actor => ({ name: `token ${index}`, role: 'editor', remoteAddress: null });

  it('bring an empty database to the schema once, and have one timeline', async () => {
    const applied = await Promise.all(databases.map((database) => migrate(database, undefined)));
    assert.deepEqual(
      applied.flat(),
      MIGRATIONS.map(({ name }) => name),
    );
    const timelines = await Promise.all((await stores()).map(async ({ config }) => (await config.position()).timeline));
    assert.equal(new Set(timelines).size, 1);
  });

  it('give every change a version of its own, without a gap, in the order in which they become visible', async () => {
    const all = await stores();
    const seen: number[] = [];
    let done = false;
    const watching = (async () => {
      while (!done) {
        const { version, vaults } = await all[0]!.config.load();
        assert.equal(vaults.length, version, 'what is loaded is all of its version, and nothing of a later one');
        seen.push(version);
      }
    })();
    const versions = await Promise.all(
      all.map(async (store, index) => {
        const made: number[] = [];
        for (let change = 0; change < CHANGES; change++) {
          made.push((await put(store, actor(index), `of-${index}-${change}`)).version);
        }
        return made;
      }),
    );
    done = true;
    await watching;
    for (const own of versions)
      assert.deepEqual(
        own,
        [...own].sort((a, b) => a - b),
      );
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    const numbers = Array.from({ length: STORES * CHANGES }, (_, index) => index + 1);
    assert.deepEqual(
      versions.flat().sort((a, b) => a - b),
      numbers,
    );
    const log = await all[1]!.config.changesAfter(0);
    assert.deepEqual(
      log.map(({ version }) => version),
      numbers,
    );
    const audit = (await all[2]!.audit.page(1000)).reverse();
    assert.deepEqual(
      audit.map(({ actor: name, version_before, version_after }) => [name, version_before, version_after]),
      numbers.map((version) => [`token ${versions.findIndex((own) => own.includes(version))}`, version - 1, version]),
    );
  });

  it('tell each other of a change by NOTIFY: no poll is needed', async () => {
    const all = await stores();
    // A clock that stands still never polls.
    const clock = new FakeClock();
    const publishers = await Promise.all(
      all.map(({ config, database }) => Publisher.start({ store: config, database, clock, log: silentLog })),
    );
    for (const [index, store] of all.entries()) {
      const told = publishers.map(
        (publisher) =>
          new Promise<void>((resolve) => {
            const stop = publisher.follow(() => {
              stop();
              resolve();
            });
          }),
      );
      const { version } = await put(store, actor(index), `told-${index}`);
      await Promise.all(told);
      for (const publisher of publishers) assert.equal(publisher.current.version, version);
    }
    assert.equal(new Set(publishers.map(({ position }) => position.hash)).size, 1);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
  });
});
