import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
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

  it('gives back texts and numbers as they were given, whatever stands in them and however often', async () => {
    const database = await open();
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom("'", '\\', '"', '$1', '\n', 'é') }),
    );
    const isText = (text: string) => !text.includes('\0');
    await fc.assert(
      fc.asyncProperty(texts.filter(isText), fc.option(fc.maxSafeInteger()), async (text, number) => {
        const json = JSON.stringify({ [text]: [text, number] });
        const sql = 'select $1::text as text, $2::bigint as number, $3::jsonb as json';
        const expected = [{ text, number, json: JSON.parse(json) }];
        assert.deepEqual(await database.query(sql, [text, number, json]), expected);
        const within = await database.transaction((transaction) => transaction.query(sql, [text, number, json]));
        assert.deepEqual(within, expected);
      }),
      { numRuns: 100 },
    );
    await assert.rejects(database.query('select $1::text as text', ['\0']));
    await assert.rejects(database.query('select $1::text as text', ['\0']));
    assert.deepEqual(await database.query('select $1::text as text', ['a']), [{ text: 'a' }]);
  });

  it('goes on preparing what could not be prepared when it was tried', async () => {
    const database = await open();
    const insert = (n: number) => database.query('insert into later values ($1)', [n]);
    for (let n = 0; n < 3; n++) await assert.rejects(insert(n), (error) => sqlState(error) === '42P01');
    await database.script('create table later (n integer)');
    for (let n = 0; n < 3; n++) await insert(n);
    assert.deepEqual(await database.query('select n from later order by n'), [{ n: 0 }, { n: 1 }, { n: 2 }]);
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
