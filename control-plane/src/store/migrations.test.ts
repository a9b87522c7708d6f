import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MIGRATIONS, migrate, migrationStatus } from './migrations.ts';
import { describeOnBothDatabases } from './testing/stores.ts';

describeOnBothDatabases('migrations', (open) => {
  it('are applied once, by whichever of several programs comes first', async () => {
    const database = await open();
    assert.deepEqual(await migrationStatus(database), {
      applied: 0,
      latest: MIGRATIONS.length,
      pending: MIGRATIONS.map(({ name }) => name),
    });
    const applied = await Promise.all([
      migrate(database, undefined),
      migrate(database, undefined),
      migrate(database, undefined),
    ]);
    assert.deepEqual(
      applied.flat(),
      MIGRATIONS.map(({ name }) => name),
    );
    assert.deepEqual((await migrationStatus(database)).pending, []);
  });

  it('of an old database are only those that it has not had', async () => {
    const database = await open();
    await migrate(database, undefined, MIGRATIONS.slice(0, 1));
    assert.deepEqual(
      await migrate(database, undefined),
      MIGRATIONS.slice(1).map(({ name }) => name),
    );
  });

  it('that fail leave nothing behind', async () => {
    const database = await open();
    const broken = { number: MIGRATIONS.length + 1, name: 'broken', sql: 'create table half ();\nselect no_such();' };
    await assert.rejects(migrate(database, undefined, [...MIGRATIONS, broken]), /no_such/);
    assert.equal((await migrationStatus(database)).applied, 0);
    assert.deepEqual(await database.query("select to_regclass('half') as half"), [{ half: null }]);
  });

  it('refuse a database of a later release, and say so', async () => {
    const database = await open();
    await migrate(database, undefined, [
      ...MIGRATIONS,
      { number: MIGRATIONS.length + 1, name: 'later', sql: 'select 1;' },
    ]);
    for (const refused of [() => migrate(database, undefined), () => migrationStatus(database)]) {
      await assert.rejects(refused, { name: 'StartError', message: /later release/ });
    }
  });
});
