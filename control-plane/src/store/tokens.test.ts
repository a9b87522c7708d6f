import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Actor } from './audit-log.ts';
import { DatabaseUnavailable } from './database.ts';
import { describeOnBothDatabases, stayingOpen, storeOn } from './testing/stores.ts';

const ACTOR: Actor = { name: 'local', role: 'admin', remoteAddress: null };
const REQUEST = { method: 'COMMAND', path: 'token create' };

describeOnBothDatabases('a token', (open) => {
  it('is known again, by the role it was made for, and stands in no table', async () => {
    const database = await open();
    const { tokens } = await storeOn(database);
    assert.equal(await tokens.any(), false);
    const { token, id } = await tokens.create('editor', 'for CI', ACTOR, REQUEST);
    assert.equal(await tokens.any(), true);
    for (let time = 0; time < 2; time++) assert.deepEqual(await tokens.verify(token), { id, role: 'editor' });
    const secret = token.slice(`vpt_${id}_`.length);
    for (const table of ['tokens', 'audit_requests']) {
      const [row] = await database.query<{ text: string }>(`select string_agg(t::text, ' ') as text from ${table} t`);
      assert.ok(!row!.text.includes(secret));
    }
  });

  it('is refused with one character changed, with another id, and in any other form', async () => {
    const { tokens } = await storeOn(await open());
    const { token } = await tokens.create('admin', null, ACTOR, REQUEST);
    const other = await tokens.create('admin', null, ACTOR, REQUEST);
    const changed = token.slice(0, -2) + (token.at(-2) === 'A' ? 'B' : 'A') + token.at(-1);
    const mixed = `vpt_${other.id}_${token.split('_').slice(2).join('_')}`;
    for (const wrong of [changed, mixed, token.slice(1), `${token} `, '', 'vpt_', "vpt_0000000000000000_' or true"]) {
      assert.equal(await tokens.verify(wrong), undefined);
    }
  });

  it('is known before it was ever verified, and no other is, by one look at the database a second', async () => {
    const database = await open();
    const { tokens } = await storeOn(database);
    const { token } = await tokens.create('reader', null, ACTOR, REQUEST);
    assert.equal(await tokens.knows(token), true);
    let looks = 0;
    const { query } = database;
    database.query = ((...args: Parameters<typeof query>) => {
      looks++;
      return query.apply(database, args);
    }) as typeof query;
    for (let n = 0; n < 100; n++) {
      assert.equal(await tokens.knows(`${token.slice(0, 23)}${n.toString().padStart(41, 'x')}`), false);
      assert.equal(await tokens.knows(`vpt_${n.toString().padStart(16, '0')}_${'x'.repeat(43)}`), false);
    }
    assert.ok(looks <= 5, `${looks} looks`);
  });

  it('of 0.1.0, which kept no digest, is verified as it was, and has a digest from then on', async () => {
    const database = await open();
    const { tokens } = await storeOn(database);
    const { token, id } = await tokens.create('editor', null, ACTOR, REQUEST);
    await database.query('update tokens set digest = null');
    assert.equal(await tokens.verify(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`), undefined);
    const { tokens: restarted } = await storeOn(database);
    assert.equal(await restarted.knows(token), true);
    assert.deepEqual(await restarted.verify(token), { id, role: 'editor' });
    const [row] = await database.query<{ digest: Uint8Array | null }>('select digest from tokens');
    assert.equal(row!.digest?.length, 32);
  });

  it('is refused from the moment it is deleted, although it was verified before', async () => {
    const { tokens } = await storeOn(await open());
    const { token, id } = await tokens.create('admin', null, ACTOR, REQUEST);
    assert.ok(await tokens.verify(token));
    assert.equal(await tokens.delete(id, ACTOR, REQUEST), true);
    assert.equal(await tokens.verify(token), undefined);
    assert.equal(await tokens.delete(id, ACTOR, REQUEST), false);
  });

  it('that was verified before is taken as it was while the database is away, and no other', async () => {
    const database = await open();
    let away = false;
    const query: typeof database.query = (sql, parameters) =>
      away ? Promise.reject(new DatabaseUnavailable('away')) : database.query(sql, parameters);
    const { tokens } = await storeOn({ ...stayingOpen(database), query });
    const [known, unknown] = [
      await tokens.create('editor', null, ACTOR, REQUEST),
      await tokens.create('admin', null, ACTOR, REQUEST),
    ];
    await tokens.verify(known.token);
    await tokens.any();
    away = true;
    assert.deepEqual(await tokens.verify(known.token), { id: known.id, role: 'editor' });
    await assert.rejects(tokens.verify(unknown.token), DatabaseUnavailable);
    assert.equal(await tokens.any(), true);
    away = false;
    await tokens.delete(known.id, ACTOR, REQUEST);
    assert.equal(await tokens.verify(known.token), undefined);
    away = true;
    await assert.rejects(tokens.verify(known.token), DatabaseUnavailable);
  });
});
