import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

describe('the Admin API', () => {
  let database: Database;
  let cp: TestControlPlane;
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('takes multipart forms, as curl -F makes them', async () => {
    const form = new FormData();
    form.append('name', 'aws');
    form.append('config.region', 'eu-west-1');
    form.append('config.ttl', '7.5');
    form.append('tags[]', 'a');
    form.append('tags[]', 'b');
    const { status, json } = await cp.call('PUT', '/vaults/by-multipart', form);
    assert.equal(status, 200);
    assert.deepEqual(json.config, { region: 'eu-west-1', ttl: 7.5 });
    assert.deepEqual(json.tags, ['a', 'b']);
  });

  it('reads lists of config from forms, and leaves what is no number for the schema to refuse', async () => {
    const role = 'arn:aws:iam::123456789012:role/app';
    const put = (fields: string[][]) =>
      cp.call('PUT', '/vaults/by-form', new URLSearchParams(fields as [string, string][]));
    const made = await put([
      ['name', 'aws'],
      ['config.allowed_role_arns[1]', role],
    ]);
    assert.deepEqual(made.json.config, { allowed_role_arns: [role] });
    const inBrackets = await put([
      ['name', 'aws'],
      ['config[region]', 'eu-west-2'],
      ['config[ttl]', '7'],
      ['config[allowed_role_arns][]', role],
    ]);
    assert.deepEqual(inBrackets.json.config, { region: 'eu-west-2', ttl: 7, allowed_role_arns: [role] });
    const refused = await put([
      ['name', 'aws'],
      ['config.ttl', '0x10'],
    ]);
    assert.deepEqual(refused.json.fields, { config: { ttl: 'expected a number' } });
    const unknown = await put([
      ['name', 'aws'],
      ['__proto__', '1'],
      ['config.__proto__', '1'],
    ]);
    assert.equal(
      unknown.json.message,
      '2 schema violations (__proto__: unknown field; config.__proto__: unknown field)',
    );
  });

  it('answers 405 with Allow, OPTIONS with 204, and HEAD as GET without a body', async () => {
    const refused = await cp.call('DELETE', '/vaults');
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD, OPTIONS, POST']);
    const wrongBody = await cp.call('PUT', '/vaults', 'x', { 'content-type': 'text/csv' });
    assert.equal(wrongBody.status, 405);
    const options = await cp.call('OPTIONS', '/vaults/x');
    assert.deepEqual([options.status, options.headers.get('allow')], [204, 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT']);
    const head = await cp.call('HEAD', '/vaults');
    assert.deepEqual([head.status, head.text], [200, '']);
  });

  it('tells no browser that pages from elsewhere may read it', async () => {
    const from = { origin: 'http://127.0.0.1:1' };
    for (const answer of [
      await cp.call('GET', '/vaults', undefined, from),
      await cp.call('OPTIONS', '/vaults', undefined, { ...from, 'access-control-request-method': 'PUT' }),
    ]) {
      assert.ok([...answer.headers.keys()].every((name) => !name.startsWith('access-control-')));
    }
  });

  it('refuses a body that is too large, is no object, or whose path is broken', async () => {
    const large = await cp.call('POST', '/vaults', { name: 'aws', description: 'x'.repeat(11_000_000) });
    assert.equal(large.status, 413);
    for (const body of ['[]', '"x"', '7', 'true']) {
      assert.equal((await cp.call('POST', '/vaults', body, { 'content-type': 'application/json' })).status, 400, body);
    }
    const nobody = await cp.call('POST', '/vaults');
    assert.deepEqual(nobody.json.fields, { name: 'required field missing' });
    assert.equal((await cp.call('GET', '/vaults/%zz')).status, 400);
  });

  it('refuses a multipart body that is broken, or too large, all its parts together', async () => {
    const boundary = { 'content-type': 'multipart/form-data; boundary=b' };
    for (const [body, headers] of [
      ['x', { 'content-type': 'multipart/form-data' }],
      ['garbage', boundary],
      ['--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nenv', boundary],
    ] as const) {
      const broken = await cp.call('POST', '/vaults', body, headers);
      assert.deepEqual([broken.status, broken.json], [400, { message: 'Cannot parse multipart body' }], body);
    }
    const form = (fields: number, length: number) => {
      const made = new FormData();
      for (let field = 0; field < fields; field++) made.append(`field-${field}`, 'x'.repeat(length));
      return made;
    };
    for (const large of [form(1, 11_000_000), form(4, 3_000_000)]) {
      assert.equal((await cp.call('POST', '/vaults', large)).status, 413);
      // Without a Content-Length, which would say it beforehand.
      const { body, headers } = new Response(large);
      const type = headers.get('content-type')!;
      const url = `${cp.adminUrl}/vaults`;
      const chunked = await fetch(url, { method: 'POST', body, headers: { 'content-type': type }, duplex: 'half' });
      assert.equal(chunked.status, 413);
    }
    assert.equal((await cp.call('GET', '/vaults')).status, 200);
  });

  it('refuses a path that has a null character, whatever is asked of it', async () => {
    for (const path of ['/vaults/%00', '/vaults/a%00b', '/tags/%00', '/tokens/%00', '/config/versions/%00']) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const { status } = await cp.call(method, path, method === 'GET' ? undefined : { name: 'env' });
        assert.ok([400, 405].includes(status), `${method} ${path}: ${status}`);
      }
    }
    assert.deepEqual(
      cp.logged().filter(({ level }) => level === 'error'),
      [],
    );
  });

  it('does not let PUT or PATCH change an id, but takes the same one', async () => {
    const { json: vault } = await cp.call('PUT', '/vaults/has-id', { name: 'env' });
    const other = '11111111-1111-4111-8111-111111111111';
    for (const method of ['PUT', 'PATCH']) {
      const refused = await cp.call(method, '/vaults/has-id', { ...vault, id: other });
      assert.deepEqual(refused.json.fields, { id: 'immutable field cannot be updated' });
      const same = await cp.call(method, '/vaults/has-id', vault);
      assert.deepEqual(same.json, vault);
    }
  });

  it('makes by POST no second vault of an id', async () => {
    const { json } = await cp.call('POST', '/vaults', { name: 'env', prefix: 'first-one' });
    const again = await cp.call('POST', '/vaults', { id: json.id, name: 'env', prefix: 'second-one' });
    assert.deepEqual([again.status, again.json.code], [400, 3]);
  });

  it('gives every vault exactly once over pages, and keeps tags and size in next', async () => {
    for (let index = 0; index < 7; index++) {
      await cp.call('PUT', `/vaults/paged-${index}`, { name: 'env', tags: ['paged', `n${index}`] });
    }
    const seen: string[] = [];
    for (let path: string | null = '/vaults?size=3&tags=paged'; path !== null; ) {
      const { json } = await cp.call('GET', path);
      assert.ok(json.data.length <= 3);
      seen.push(...json.data.map(({ prefix }: { prefix: string }) => prefix));
      path = json.next;
      if (path) assert.match(path, /^\/vaults\?offset=[^&]+&tags=paged&size=3$/);
    }
    assert.deepEqual(
      seen.sort(),
      Array.from({ length: 7 }, (_, index) => `paged-${index}`),
    );
    const either = await cp.call('GET', '/vaults?tags=n1/n2');
    assert.equal(either.json.data.length, 2);
  });

  it('lists tags, and what has one of them', async () => {
    const { json } = await cp.call('PUT', '/vaults/tagged-one', { name: 'env', tags: ['ümlaut tag'] });
    const { json: tagged } = await cp.call('GET', `/tags/${encodeURIComponent('ümlaut tag')}`);
    assert.deepEqual(tagged.data, [{ entity_name: 'vaults', entity_id: json.id, tag: 'ümlaut tag' }]);
    const all: unknown[] = [];
    for (let path: string | null = '/tags?size=2'; path !== null; ) {
      const { json: page } = await cp.call('GET', path);
      all.push(...page.data);
      path = page.next;
    }
    assert.ok(all.some((row) => (row as { tag: string }).tag === 'ümlaut tag'));
  });

  it('answers no page from elsewhere while it asks for no token', async () => {
    const get = (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        request(`${cp.adminUrl}/vaults`, { headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode!);
        })
          .on('error', reject)
          .end();
      });
    const port = new URL(cp.adminUrl).port;
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'localhost']) {
      assert.equal(await get({ host }), 200, host);
    }
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1:8001']) {
      assert.equal(await get({ host }), 403, host);
    }
    assert.equal(await get({ origin: 'https://evil.example' }), 403);
    assert.equal(await get({ origin: 'null' }), 403);
    assert.equal(await get({ 'sec-fetch-site': 'cross-site' }), 403);
    assert.equal(await get({ origin: cp.adminUrl, 'sec-fetch-site': 'same-origin' }), 200);
  });

  it('says in its log that everybody on the machine may change everything', () => {
    assert.ok(
      cp.logged().some(({ level, msg }) => level === 'warn' && /no admin_token and no tokens/.test(String(msg))),
    );
  });

  it('tells every write in the audit log, with who, what and the versions', async () => {
    const { json: before } = await cp.call('GET', '/status');
    await cp.call('PUT', '/vaults/audited', { name: 'env' });
    await cp.call('PUT', '/vaults/audited?token=canary', { name: 'env' });
    await cp.call('DELETE', '/vaults/audited');
    const { json } = await cp.call('GET', '/audit/requests?size=3');
    const { version } = before.vaultplane.config;
    assert.deepEqual(
      json.data.map((row: Record<string, unknown>) => [
        row.actor,
        row.method,
        row.path,
        row.version_before,
        row.version_after,
      ]),
      [
        ['local', 'DELETE', '/vaults/audited', version + 1, version + 2],
        ['local', 'PUT', '/vaults/audited', version + 1, version + 1],
        ['local', 'PUT', '/vaults/audited', version, version + 1],
      ],
    );
    assert.match(json.next, /^\/audit\/requests\?offset=/);
    const { json: rest } = await cp.call('GET', json.next);
    assert.ok(rest.data[0].id < json.data[2].id);
  });

  it('shows a write in what is read next, the published version too', async () => {
    for (let index = 0; index < 5; index++) {
      const { json: before } = await cp.call('GET', '/status');
      await cp.call('PATCH', '/vaults/has-id', { description: `change ${index}` });
      const { json: after } = await cp.call('GET', '/status');
      assert.equal(after.vaultplane.config.version, before.vaultplane.config.version + 1);
    }
  });

  it('changes the log level while it runs', async () => {
    assert.equal((await cp.call('PUT', '/debug/node/log-level/loud')).status, 400);
    assert.equal((await cp.call('PUT', '/debug/node/log-level/error')).status, 200);
    assert.equal((await cp.call('GET', '/debug/node/log-level')).json.message, 'log level: error');
    const before = cp.logged().length;
    await cp.call('GET', '/vaults');
    assert.equal(cp.logged().length, before);
    await cp.call('PUT', '/debug/node/log-level/debug');
  });
});
