import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Actor } from './audit-log.ts';
import { ConfigStore } from './config-store.ts';
import { describeOnBothDatabases, storeOn } from './testing/stores.ts';
import { newVault } from './testing/vaults.ts';

const ACTOR: Actor = { name: 'token 1', role: 'editor', remoteAddress: null };
const REQUEST = { method: 'PUT', path: '/vaults/x' };

describeOnBothDatabases('versions of the configuration', (open) => {
  it('say how many vaults each made, changed and took away, and which', async () => {
    const { config } = await storeOn(await open());
    const [a, b] = [newVault('a-a'), newVault('b-b')];
    await config.change(ACTOR, REQUEST, async (edit) => {
      for (const each of [a, b]) await edit.put(each);
    });
    await config.change(ACTOR, REQUEST, async (edit) => {
      await edit.put({ ...a, description: 'changed' });
      await edit.delete(b.id);
      for (let n = 0; n < 20; n++) await edit.put(newVault(`c-${String(n).padStart(2, '0')}`));
    });
    const [second, first] = await config.versions(10);
    assert.deepEqual(
      [first!.version, first!.created, first!.updated, first!.deleted, first!.vaults],
      [1, 2, 0, 0, ['a-a', 'b-b']],
    );
    assert.deepEqual([second!.created, second!.updated, second!.deleted], [20, 1, 1]);
    assert.deepEqual(second!.vaults.slice(0, 3), ['a-a', 'b-b', 'c-00']);
    assert.equal(second!.vaults.length, 10);
    const whole = await config.version(1);
    assert.deepEqual(whole!.changes.map(({ before, after }) => [before, after?.prefix]).sort(), [
      [null, 'a-a'],
      [null, 'b-b'],
    ]);
    assert.equal(await config.version(3), undefined);
  });

  it('are kept as many as is said; what is older can not be gone back to, and is in no table', async () => {
    const database = await open();
    await storeOn(database);
    const config = new ConfigStore(database, systemClock, { versionsKept: 3 });
    const all = Array.from({ length: 6 }, (_, n) => newVault(`v-${n}`));
    for (const each of all) await config.change(ACTOR, REQUEST, (edit) => edit.put(each));
    assert.deepEqual(
      (await config.versions(10)).map(({ version }) => version),
      [6, 5, 4],
    );
    assert.deepEqual(await database.query('select distinct version from config_changes order by version'), [
      { version: 4 },
      { version: 5 },
      { version: 6 },
    ]);
    // What came after version 3 is all there, so it can still be told; what came after version 2 is not.
    assert.equal((await config.vaultsAt(3))?.length, 3);
    for (const version of [0, 1, 2]) assert.equal(await config.vaultsAt(version), undefined);
    assert.equal((await config.load()).vaults.length, 6);
  });
});
