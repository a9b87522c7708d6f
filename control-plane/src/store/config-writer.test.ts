import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import { Publisher } from '../fleet/publisher.ts';
import type { Actor } from './audit-log.ts';
import { type ConfigEdit, VaultConflict } from './config-edit.ts';
import { ConfigStore } from './config-store.ts';
import type { Database } from './database.ts';
import type { VaultKey } from './known-vaults.ts';
import { describeOnBothDatabases, stayingOpen, storeOn } from './testing/stores.ts';
import { newVault } from './testing/vaults.ts';

const ACTOR: Actor = { name: 'token 1', role: 'editor', remoteAddress: null };
const REQUEST = { method: 'PUT', path: '/vaults/x' };

const change = <T>(store: ConfigStore, edit: (edit: ConfigEdit) => Promise<T>, expects: VaultKey[] = []) =>
  store.change(ACTOR, REQUEST, edit, expects);
const put = (store: ConfigStore, ...vaults: VaultEntity[]) =>
  change(store, async (edit) => {
    for (const each of vaults) await edit.put(each);
  });

/** What a store asks of its database. */
function counted(database: Database): { database: Database; asked: { queries: number; transactions: number } } {
  const asked = { queries: 0, transactions: 0 };
  const counting: Database = {
    ...stayingOpen(database),
    query: (sql, parameters) => {
      asked.queries++;
      return database.query(sql, parameters);
    },
    transaction: (work, options) => {
      asked.transactions++;
      return database.transaction(work, options);
    },
  };
  return { database: counting, asked };
}

describeOnBothDatabases('a writer of the configuration', (open) => {
  it('makes the changes that come together by one statement, where it has written last, and its publisher reads nothing', async () => {
    const { database, asked } = counted(await open());
    const { config } = await storeOn(database);
    const publisher = await Publisher.start({ store: config, database, clock: new FakeClock(), log: silentLog });
    const vaults = ['aa', 'bb', 'cc'].map((prefix) => newVault(prefix));
    await put(config, ...vaults);
    asked.queries = asked.transactions = 0;
    const made = await Promise.all([
      ...vaults.slice(1).map((each) => put(config, { ...each, description: 'changed' })),
      change(config, (edit) => edit.delete(vaults[0]!.id)),
    ]);
    await publisher.caughtUp();
    assert.deepEqual(
      made.map(({ version }) => version),
      [2, 3, 4],
    );
    assert.deepEqual(asked, { queries: 1, transactions: 0 });
    const { timeline, version, vaults: stored } = await config.load();
    assert.deepEqual(publisher.current, makeSnapshot(timeline, version, stored));
    await publisher.stop();
  });

  it('comes, with another beside it, by random changes to what they come to one after another, and so do publishers', async () => {
    const ids = Array.from({ length: 3 }, () => randomUUID());
    const which = fc.integer({ min: 0, max: 2 });
    const puts = fc.record({
      does: fc.constant('put' as const),
      vault: which,
      prefix: which,
      description: fc.string(),
    });
    const deletes = fc.record({ does: fc.constant('delete' as const), vault: which });
    const swaps = fc.record({ does: fc.constant('replace' as const), by: fc.uniqueArray(which), from: which });
    const config = fc.dictionary(
      fc.string({ minLength: 1, maxLength: 5 }),
      fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer(),
        fc.boolean(),
      ),
      { maxKeys: 3 },
    );
    // What a text column and a jsonb take.
    const isKept = (value: unknown) => !/\\u0000|\\ud[89a-f]/.test(JSON.stringify(value));
    const step = fc.tuple(fc.oneof(puts, deletes, swaps), config).filter(isKept);
    const runs = fc.array(fc.record({ by: fc.integer({ min: 0, max: 1 }), steps: fc.array(step, { maxLength: 5 }) }), {
      maxLength: 6,
    });
    const database = await open();
    const stores = [(await storeOn(database)).config, (await storeOn(database)).config];
    const publishers = await Promise.all(
      stores.map((store) => Publisher.start({ store, database, clock: systemClock, log: silentLog })),
    );
    await fc.assert(
      fc.asyncProperty(runs, async (runs) => {
        const model = new Map((await stores[0]!.load()).vaults.map((each) => [each.id, each]));
        for (const { by, steps } of runs) {
          const expected = steps.map(([step, config]) => {
            if (step.does === 'delete') return model.delete(ids[step.vault]!) || true;
            if (step.does === 'replace') {
              model.clear();
              for (const each of replacement(step, config)) model.set(each.id, each);
              return true;
            }
            const wanted = made(step, config);
            const other = [...model.values()].find(({ prefix }) => prefix === wanted.prefix);
            if (other && other.id !== wanted.id) return false;
            model.set(wanted.id, wanted);
            return true;
          });
          const outcomes = await Promise.allSettled(
            steps.map(([step, config]) =>
              change<unknown>(
                stores[by]!,
                (edit) => {
                  if (step.does === 'delete') return edit.delete(ids[step.vault]!);
                  if (step.does === 'replace') return edit.replaceAll(replacement(step, config));
                  return edit.put(made(step, config));
                },
                'vault' in step ? [{ id: ids[step.vault]! }] : [],
              ),
            ),
          );
          assert.deepEqual(
            outcomes.map(({ status }) => status === 'fulfilled'),
            expected,
          );
        }
        const { timeline, version, vaults } = await stores[1]!.load();
        assert.deepEqual(
          vaults,
          [...model.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((each) => JSON.parse(JSON.stringify(each))),
        );
        const snapshot = makeSnapshot(timeline, version, vaults);
        for (const publisher of publishers) {
          await publisher.refresh();
          assert.equal(publisher.current.hash, snapshot.hash);
          assert.equal(publisher.current.version, version);
        }
      }),
      { numRuns: 60 },
    );
    await Promise.all(publishers.map((publisher) => publisher.stop()));

    function made(
      { vault: of, prefix, description }: { vault: number; prefix: number; description: string },
      config: object,
    ) {
      return newVault(`prefix-${prefix}`, { id: ids[of]!, description, config: config as VaultEntity['config'] });
    }
    function replacement({ by, from }: { by: number[]; from: number }, config: object) {
      return by.map((of, place) => made({ vault: of, prefix: (place + from) % 3, description: '' }, config));
    }
  });

  it('sees what others have written, in what it changes and in what it refuses', async () => {
    const database = await open();
    const [own, other] = [(await storeOn(database)).config, (await storeOn(database)).config];
    const [a, b] = [newVault('aa'), newVault('bb')];
    await put(own, a, b);
    await put(other, { ...a, description: 'by another' });
    const { result } = await change(own, (edit) => edit.find({ id: a.id }));
    assert.equal(result?.description, 'by another');
    await change(other, (edit) => edit.delete(b.id));
    // What went by what it knew would be refused, and tells so, though it writes nothing.
    assert.equal((await put(own, newVault('bb'))).version, 4);
    await put(other, newVault('cc'));
    await assert.rejects(put(own, newVault('cc')), VaultConflict);
    assert.equal((await own.position()).version, 5);
  });

  it('sees that the database went back, also where it has come to the same version again', async () => {
    const database = await open();
    const [own, other] = [(await storeOn(database)).config, (await storeOn(database)).config];
    await put(own, newVault('aa'));
    await put(own, newVault('lost'));
    await database.transaction(async (transaction) => {
      await transaction.query("delete from vaults where prefix = 'lost'");
      await transaction.query('delete from config_changes where version = 2');
      await transaction.query('delete from config_versions where version = 2');
      await transaction.query('update config_state set version = 1');
    });
    await put(other, newVault('bb'));
    const { result } = await change(own, async (edit) => (await edit.all()).map(({ prefix }) => prefix).sort());
    assert.deepEqual(result, ['aa', 'bb']);
    assert.equal((await put(own, newVault('lost'))).version, 3);
  });

  it('makes those of the changes that come together that the database takes, each whole', async () => {
    const { config, audit } = await storeOn(await open());
    await put(config, newVault('aa'));
    const outcomes = await Promise.allSettled([
      put(config, newVault('bb')),
      put(config, newVault('cc'), newVault('dd', { config: { region: 'a \0 that no jsonb takes' } })),
      put(config, newVault('ee')),
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.version : 'refused')),
      [2, 'refused', 3],
    );
    const { vaults } = await config.load();
    assert.deepEqual(vaults.map(({ prefix }) => prefix).sort(), ['aa', 'bb', 'ee']);
    assert.deepEqual(
      (await audit.page(10)).map(({ version_after }) => version_after),
      [3, 2, 1],
    );
    assert.equal((await put(config, newVault('ff'))).version, 4);
  });

  it('has an audit row for what changes nothing, and looks anew where somebody else has changed it', async () => {
    const database = await open();
    const [{ config: own, audit }, { config: other }] = [await storeOn(database), await storeOn(database)];
    const a = newVault('aa');
    await put(own, a);
    assert.equal((await put(own, a)).changed, false);
    await put(other, { ...a, description: 'by another' });
    assert.deepEqual(await put(own, a), { result: undefined, version: 3, changed: true });
    assert.deepEqual(
      (await audit.page(10)).map(({ version_before, version_after }) => [version_before, version_after]),
      [
        [2, 3],
        [1, 2],
        [1, 1],
        [0, 1],
      ],
    );
  });

  it('keeps as many versions as is said, whoever else writes, and also when the database went back', async () => {
    const database = await open();
    await storeOn(database);
    const stores = [2, 2].map((versionsKept) => new ConfigStore(database, systemClock, { versionsKept }));
    const kept = async () =>
      (await database.query<{ version: number }>('select version from config_changes order by version')).map(
        ({ version }) => version,
      );
    for (const [index, by] of [0, 0, 0, 1, 0, 1, 1].entries()) await put(stores[by]!, newVault(`v-${index}`));
    assert.deepEqual(await kept(), [6, 7]);
    await Promise.all([1, 2, 3, 4, 5].map((n) => put(stores[1]!, newVault(`w-${n}`))));
    assert.deepEqual(await kept(), [11, 12]);
    await database.script(`delete from config_changes; delete from config_versions; update config_state set version = 1;
      insert into config_versions values (1, now(), 'somebody', 'something');
      insert into config_changes values (1, gen_random_uuid(), null, null)`);
    await put(stores[1]!, newVault('x-2'));
    await put(stores[1]!, newVault('x-3'));
    assert.deepEqual(await kept(), [2, 3]);
  });
});
