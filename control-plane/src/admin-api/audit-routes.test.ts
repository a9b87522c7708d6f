import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { storeOn } from '../store/testing/stores.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

const TOKEN = 'the-admin-token-of-this-test';
const AS = { 'kong-admin-token': TOKEN };

describe('/audit/requests', () => {
  let database: Database;
  let cp: TestControlPlane;
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database, env: { VAULTPLANE_ADMIN_TOKEN: TOKEN } });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });
  const audit = async (query = '') => {
    const { status, json, text } = await cp.call('GET', `/audit/requests?${query}`, undefined, AS);
    assert.equal(status, 200, text);
    return json.data as Array<Record<string, unknown>>;
  };

  it('has the status and the request id of every write, of those that were refused too', async () => {
    const reader = (await cp.call('POST', '/tokens', { role: 'reader' }, AS)).json;
    const answers = [
      await cp.call('PUT', '/vaults/a-b', { name: 'env' }, AS),
      await cp.call('PUT', '/vaults/a-b', { name: 'nope' }, AS),
      await cp.call('POST', '/vaults', { name: 'env', prefix: 'a-b' }, AS),
      await cp.call('DELETE', '/vaults/a-b', undefined, { 'kong-admin-token': reader.token }),
      await cp.call('DELETE', '/vaults/a-b', undefined, { 'kong-admin-token': 'wrong' }),
      await cp.call('DELETE', '/vaults/a-b', undefined, AS),
    ];
    // None of these writes anything.
    await cp.call('POST', '/schemas/vaults/validate', { name: 'nope' }, AS);
    await cp.call('POST', '/config/diff', {}, AS);
    await cp.call('GET', '/vaults/none', undefined, AS);
    await cp.call('OPTIONS', '/vaults', undefined, AS);
    const rows = (await audit('size=6')).reverse();
    assert.deepEqual(
      rows.map(({ actor, role, method, status, version_before, version_after }) => [
        ...[actor, role, method, status, version_before, version_after],
      ]),
      [
        ['admin_token', 'admin', 'PUT', 200, 0, 1],
        ['admin_token', 'admin', 'PUT', 400, 1, 1],
        ['admin_token', 'admin', 'POST', 409, 1, 1],
        [`token ${reader.id}`, 'reader', 'DELETE', 403, 1, 1],
        ['unknown', null, 'DELETE', 401, 1, 1],
        ['admin_token', 'admin', 'DELETE', 204, 1, 2],
      ],
    );
    assert.deepEqual(
      rows.map((row) => row.request_id),
      answers.map(({ headers }) => headers.get('x-kong-admin-request-id')),
    );
    assert.equal(new Set(rows.map((row) => row.request_id)).size, 6);
    const logged = cp.logged().filter(({ request_id }) => request_id === rows[0]!.request_id);
    assert.ok(logged.some(({ msg }) => msg === 'admin request'));
  });

  it('can be filtered, and pages keep the filter', async () => {
    const statuses = async (query: string) => (await audit(query)).map(({ status }) => status);
    assert.deepEqual(await statuses('status=409'), [409]);
    assert.deepEqual(await statuses('actor=unknown'), [401]);
    assert.deepEqual(await statuses('method=put&path=/vaults/'), [400, 200]);
    assert.deepEqual(await statuses('path=/tokens'), [201]);
    assert.deepEqual(await statuses('from_version=1&to_version=1'), [200]);
    assert.deepEqual(await statuses('client_ip=10.0.0.1'), []);
    const [first] = await audit('status=409');
    assert.deepEqual((await audit(`request_id=${first!.request_id}`))[0], first);
    assert.deepEqual(await statuses(`until=${encodeURIComponent('2001-01-01T00:00:00Z')}`), []);
    assert.equal((await statuses('since=1000000000')).length, 7);
    const { json: page } = await cp.call('GET', '/audit/requests?method=PUT&size=1', undefined, AS);
    assert.match(page.next, /method=PUT&size=1$/);
    assert.equal((await cp.call('GET', page.next, undefined, AS)).json.data[0].status, 200);

    const wrong = await cp.call('GET', '/audit/requests?status=x&since=soon&actor=%00', undefined, AS);
    assert.deepEqual([wrong.status, wrong.json.code], [400, 11]);
    assert.deepEqual(Object.keys(wrong.json.fields).sort(), ['actor', 'since', 'status']);
  });

  it('forgets what is older than audit_log_record_ttl, now and then', async () => {
    const clock = new FakeClock(Date.now() + 3_000_000_000);
    const { audit: log } = await storeOn(database, clock);
    assert.equal(await log.prune(4_000_000), 0);
    const lines: Array<Record<string, unknown>> = [];
    const quiet = { debug() {}, warn() {}, error() {}, child: () => quiet, setLevel() {} } as never;
    const stop = log.keepFor(1000, {
      ...(quiet as object),
      info: (facts: object) => lines.push({ ...facts }),
    } as never);
    await stop();
    assert.deepEqual(lines, [{ pruned: 7 }]);
    assert.deepEqual(await audit(), []);
  });
});
