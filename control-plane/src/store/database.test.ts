import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sqlState } from './database.ts';
import { describeOnBothDatabases } from './testing/stores.ts';

describeOnBothDatabases('a database', (open) => {
  it('gives int8 as numbers, timestamps as dates, json and arrays as they are', async () => {
    const database = await open();
    const [row] = await database.query(
      `select 9007199254740991::bigint as big, to_timestamp(1) as at, '{"a":[1.5]}'::jsonb as json, $1::text[] as tags`,
      [['a', 'b,"{}']],
    );
    assert.deepEqual(row, { big: 9007199254740991, at: new Date(1000), json: { a: [1.5] }, tags: ['a', 'b,"{}'] });
  });

  it('rolls a transaction back when its work throws, and goes on', async () => {
    const database = await open();
    await database.script('create table numbers (n integer primary key); insert into numbers values (1)');
    await assert.rejects(
      database.transaction(async (transaction) => {
        await transaction.query('insert into numbers values (2)');
        throw new Error('no');
      }),
      { message: 'no' },
    );
    await assert.rejects(
      database.transaction((transaction) => transaction.query('insert into numbers values (1)')),
      (error) => sqlState(error) === '23505',
    );
    assert.deepEqual(await database.query('select n from numbers'), [{ n: 1 }]);
  });

  it('tells listeners of a notification once its transaction is committed, until they stop', async () => {
    const database = await open();
    let heard = 0;
    let tell: () => void = () => {};
    const stop = await database.listen('a_channel', () => {
      heard++;
      tell();
    });
    const told = new Promise<void>((resolve) => {
      tell = resolve;
    });
    await database.transaction((transaction) => transaction.query("select pg_notify('a_channel', '')"));
    await told;
    await stop();
    await database.query("select pg_notify('a_channel', '')");
    await database.query('select 1');
    assert.equal(heard, 1);
  });
});
