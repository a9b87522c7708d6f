import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { Role } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { storeOn } from '../store/testing/stores.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

import { FailedTries, TRIES } from './failed-tries.ts';

const ADMIN_TOKEN = 'canary-admin-token-of-the-settings';

describe('with tokens', () => {
  let database: Database;
  let cp: TestControlPlane;
  const tokens = {} as Record<Role, string>;
  const as = (token: string) => ({ 'kong-admin-token': token });
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({
      database,
      env: { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN, VAULTPLANE_ADMIN_LISTEN: '0.0.0.0:0' },
    });
    for (const role of ['reader', 'editor', 'admin'] as const) {
      tokens[role] = (await cp.call('POST', '/tokens', { role, name: `a ${role}` }, as(ADMIN_TOKEN))).json.token;
    }
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('nobody gets in without one, or with a wrong one, in either header', async () => {
    const wrong: Array<Record<string, string>> = [
      {},
      as('wrong'),
      as(`${ADMIN_TOKEN}x`),
      as(`${tokens.admin.slice(0, -1)}!`),
      { authorization: 'Bearer wrong' },
      { authorization: `Basic ${Buffer.from(`a:${ADMIN_TOKEN}`).toString('base64')}` },
    ];
    for (const headers of wrong) {
      for (const path of headers['kong-admin-token'] === 'wrong' ? ['/', '/vaults', '/no-such-place'] : ['/']) {
        const answer = await cp.call('GET', path, undefined, headers);
        assert.equal(answer.status, 401);
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
      }
    }
  });

  it('the one of the settings and those of the database are taken in both headers', async () => {
    for (const token of [ADMIN_TOKEN, ...Object.values(tokens)]) {
      assert.equal((await cp.call('GET', '/vaults', undefined, as(token))).status, 200);
      assert.equal((await cp.call('GET', '/vaults', undefined, { authorization: `Bearer ${token}` })).status, 200);
    }
  });

  it('each role may do what it is for, and no more', async () => {
    const allowed = async (role: Role, method: string, path: string, body?: unknown) =>
      (await cp.call(method, path, body, as(tokens[role]))).status !== 403;
    const may = async (method: string, path: string, body?: unknown) =>
      Promise.all((['reader', 'editor', 'admin'] as const).map((role) => allowed(role, method, path, body)));
    assert.deepEqual(await may('GET', '/vaults'), [true, true, true]);
    assert.deepEqual(await may('POST', '/schemas/vaults/validate', { name: 'aws', prefix: 'a-b' }), [true, true, true]);
    assert.deepEqual(await may('PUT', '/vaults/of-roles', { name: 'env' }), [false, true, true]);
    assert.deepEqual(await may('DELETE', '/vaults/of-roles'), [false, true, true]);
    assert.deepEqual(await may('GET', '/audit/requests'), [false, false, true]);
    assert.deepEqual(await may('POST', '/tokens', { role: 'nothing' }), [false, false, true]);
    assert.deepEqual(await may('GET', '/tokens'), [false, false, true]);
  });

  it('the audit log says by its id which token was used', async () => {
    const { json: list } = await cp.call('GET', '/tokens', undefined, as(ADMIN_TOKEN));
    const editor = list.data.find(({ role }: { role: Role }) => role === 'editor');
    await cp.call('PUT', '/vaults/by-editor', { name: 'env' }, as(tokens.editor));
    const { json } = await cp.call('GET', '/audit/requests?size=1', undefined, as(ADMIN_TOKEN));
    assert.equal(json.data[0].actor, `token ${editor.id}`);
    assert.equal(json.data[0].role, 'editor');
  });

  it('a deleted one is refused at once', async () => {
    const { json } = await cp.call('POST', '/tokens', { role: 'reader' }, as(ADMIN_TOKEN));
    assert.equal((await cp.call('GET', '/vaults', undefined, as(json.token))).status, 200);
    assert.equal((await cp.call('DELETE', `/tokens/${json.id}`, undefined, as(ADMIN_TOKEN))).status, 204);
    assert.equal((await cp.call('GET', '/vaults', undefined, as(json.token))).status, 401);
  });

  it('no line of the log, and no answer but the one that makes it, holds a token', async () => {
    const { text } = await cp.call('GET', '/tokens', undefined, as(ADMIN_TOKEN));
    const everything = JSON.stringify(cp.logged()) + text;
    for (const token of [ADMIN_TOKEN, ...Object.values(tokens)]) {
      assert.ok(!everything.includes(token));
      // The secret part, which may have a _ in it too.
      assert.ok(!everything.includes(token.replace(/^vpt_[0-9a-f]{16}_/, '')));
    }
  });
});

describe('wrong tokens', () => {
  let database: Database;
  let cp: TestControlPlane;
  const clock = new FakeClock(Date.now());
  const get = (token: string) => cp.call('GET', '/vaults', undefined, { 'kong-admin-token': token });
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database, clock, env: { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN } });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('can be tried ten times from one address, also all at once, and then once every six seconds', async () => {
    const form = (n: number) => `vpt_${String(n).padStart(16, '0')}_${'x'.repeat(43)}`;
    const statuses = (await Promise.all(Array.from({ length: 40 }, (_, n) => get(form(n))))).map(
      ({ status }) => status,
    );
    assert.deepEqual(statuses.sort(), [
      ...Array.from({ length: 10 }, () => 401),
      ...Array.from({ length: 30 }, () => 429),
    ]);
    const refused = await get('wrong');
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '6']);
    assert.equal((await get(ADMIN_TOKEN)).status, 200, 'the right one is never locked out');
    clock.set(clock.now() + 3_600_000);
    assert.equal((await get('wrong')).status, 429, 'setting the clock gives nobody a try');
    await clock.advance(6000);
    assert.equal((await get('wrong')).status, 401);
    assert.equal((await get('wrong')).status, 429);
    await clock.advance(6000);
    assert.equal((await get(ADMIN_TOKEN)).status, 200);
    assert.ok(cp.logged().some(({ msg, ip }) => msg === 'a wrong token for the Admin API' && ip === '127.0.0.1'));
  });

  it('and writes without any token are in the audit log only as often as that', async () => {
    const own = await openEmbeddedDatabase(undefined);
    const flooded = await startTestControlPlane({ database: own, clock, env: { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN } });
    const noted = async () => (await own.query("select from audit_requests where actor = 'unknown'")).length;
    const flood = () => Promise.all(Array.from({ length: 40 }, () => flooded.call('POST', '/vaults', { name: 'env' })));
    assert.ok((await flood()).every(({ status }) => status === 401));
    assert.equal(await noted(), 10);
    await clock.advance(6000);
    await flood();
    assert.equal(await noted(), 11);
    await flooded.stop();
    await own.close();
  });

  it('count for a short admin_token too, which could be guessed otherwise', async () => {
    const own = await openEmbeddedDatabase(undefined);
    const short = await startTestControlPlane({ database: own, clock, env: { VAULTPLANE_ADMIN_TOKEN: 'guess-me' } });
    const status = async (token: string) =>
      (await short.call('GET', '/vaults', undefined, { 'kong-admin-token': token })).status;
    assert.equal(await status('guess-me'), 200);
    for (let n = 0; n < TRIES; n++) assert.equal(await status(`wrong-${n}`), 401);
    assert.equal(await status('guess-me'), 429);
    await short.stop();
    await own.close();
  });

  it('are counted by address, of IPv6 by its first half', () => {
    const tries = new FailedTries(new FakeClock());
    for (let n = 0; n < TRIES; n++) tries.failed(`2001:db8::${n}`);
    assert.equal(tries.waitSeconds('2001:db8:0:0:ffff::1'), 6);
    assert.equal(tries.waitSeconds('2001:db8:0:1::1'), 0);
    for (let n = 0; n < TRIES; n++) tries.failed('::ffff:10.0.0.1');
    assert.equal(tries.waitSeconds('10.0.0.1'), 6);
    assert.equal(tries.waitSeconds('10.0.0.2'), 0);
  });
});

it('when the last token is deleted, nobody gets in from elsewhere', async () => {
  const database = await openEmbeddedDatabase(undefined);
  const { tokens } = await storeOn(database);
  const command = { name: 'a command', role: 'admin', remoteAddress: null } as const;
  const { id, token } = await tokens.create('admin', null, command, { method: 'COMMAND', path: 'token create' });
  const cp = await startTestControlPlane({ database, env: { VAULTPLANE_ADMIN_LISTEN: '0.0.0.0:0' } });
  assert.equal((await cp.call('DELETE', `/tokens/${id}`, undefined, { 'kong-admin-token': token })).status, 204);
  assert.equal((await cp.call('GET', '/vaults')).status, 401);
  await cp.stop();
  await database.close();
});

it('a start that other machines could reach without a token is refused, and leaves nothing running', async () => {
  const database = await openEmbeddedDatabase(undefined);
  const start = () => startTestControlPlane({ database, env: { VAULTPLANE_ADMIN_LISTEN: '0.0.0.0:0' } });
  await assert.rejects(start, { name: 'StartError', message: /^admin_listen = 0\.0\.0\.0:0 .*set admin_token/ });
});
