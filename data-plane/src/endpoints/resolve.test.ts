import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ApiBench } from '../server/testing/api-bench.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

interface Result {
  reference: string;
  value?: string;
  version: { id: string };
  error: { code: string };
}

describe('/v1/resolve', () => {
  const folder = temporaryFolder();
  let bench: ApiBench;
  before(async () => {
    bench = await ApiBench.start({ folder });
  });
  beforeEach(() => {
    bench.vault.scripts.clear();
    bench.vault.set('db', { value: '{"user":"u","n":1.10,"o":{}}', id: 'one' });
    bench.configure({});
    bench.configure({ sm: { ttl: 3600 } });
  });
  after(() => bench.stop());

  it('gives a value with all that is known of it', async () => {
    const { status, json } = await bench.resolve('{vault://sm/db/user}');
    assert.equal(status, 200);
    const { fetched_at: fetchedAt, expires_at: expiresAt, ...rest } = json;
    assert.equal(Date.parse(expiresAt) - Date.parse(fetchedAt), 3_600_000);
    assert.deepEqual(rest, {
      reference: '{vault://sm/db/user}',
      value: 'u',
      state: 'fresh',
      version: { id: 'one', stages: ['AWSCURRENT'] },
      vault: 'sm',
      config_version: bench.configVersion,
    });
  });

  it('answers 304 to whoever has the value, and 200 once it is another', async () => {
    const first = await bench.resolve('{vault://sm/db/user}');
    const etag = first.headers.etag!;
    const again = await bench.resolve('{vault://sm/db/user}', { headers: { 'if-none-match': `"other", ${etag}` } });
    assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', etag]);
    const strong = await bench.resolve('{vault://sm/db/user}', { headers: { 'if-none-match': etag.slice(2) } });
    assert.equal(strong.status, 304);
    assert.equal((await bench.resolve('{vault://sm/db/user}', { headers: { 'if-none-match': '*' } })).status, 304);
    // A refresh that finds the same version changes nothing; another one does.
    const path = `/v1/resolve?refresh=true&ref=${encodeURIComponent('{vault://sm/db/user}')}`;
    assert.equal((await bench.call(path, { headers: { 'if-none-match': etag } })).status, 304);
    bench.vault.set('db', { value: '{"user":"u"}', id: 'two' });
    const rotated = await bench.call(path, { headers: { 'if-none-match': etag } });
    assert.deepEqual([rotated.status, rotated.json.version.id], [200, 'two']);
    assert.notEqual(rotated.headers.etag, etag);
  });

  it('gives many in order, each with its value or its error, and one version a secret', async () => {
    const references = [
      '{vault://sm/db/user}',
      'nonsense',
      '{vault://sm/none}',
      '{vault://no/db}',
      '{vault://sm/db/n}',
      '{vault://sm/db/x}',
      '{vault://sm/db/o}',
    ];
    const { status, json } = await bench.call('/v1/resolve', { method: 'POST', body: { references } });
    assert.equal(status, 200);
    assert.deepEqual(
      json.results.map((result: Result) => [result.reference, result.value ?? result.error.code]),
      references.map((reference, index) => [
        reference,
        ['u', 'not_a_reference', 'not_found', 'unknown_vault', '1.10', 'key_not_found', 'key_not_scalar'][index],
      ]),
    );
    assert.equal(json.results[0].fetched_at, json.results[4].fetched_at);
  });

  it('gives a thousand at once, and refuses one more', async () => {
    bench.vault.fallback = { value: 'x' };
    const references = Array.from({ length: 1000 }, (_, index) => `{vault://sm/s${index}}`);
    const { json } = await bench.call('/v1/resolve', { method: 'POST', body: { references } });
    bench.vault.fallback = 'not_found';
    assert.equal(json.results.filter((result: Result) => result.value === 'x').length, 1000);
    const more = await bench.call('/v1/resolve', { method: 'POST', body: { references: [...references, 'x'] } });
    assert.deepEqual([more.status, more.json.error.code], [413, 'too_large']);
  });

  it('never mixes versions of one secret in one answer, while it rotates all the time', async () => {
    let version = 0;
    const rotate = () =>
      bench.vault.set('pair', { value: JSON.stringify({ a: ++version, b: version }), id: `v${version}` });
    rotate();
    const references = Array.from({ length: 100 }, (_, index) => `{vault://sm/pair/${index % 2 ? 'a' : 'b'}}`);
    for (let round = 0; round < 30; round++) {
      const answers = await Promise.all(
        [false, true, false].map((refresh) => {
          rotate();
          return bench.call('/v1/resolve', { method: 'POST', body: { references, refresh } });
        }),
      );
      for (const { json } of answers) {
        assert.equal(new Set(json.results.map((result: Result) => `${result.value} ${result.version.id}`)).size, 1);
      }
    }
  });

  for (const [what, path, options, status, code] of [
    ['no reference', '/v1/resolve', {}, 400, 'bad_request'],
    ['two references', '/v1/resolve?ref=a&ref=b', {}, 400, 'bad_request'],
    ['an unknown parameter', '/v1/resolve?ref=a&x=1', {}, 400, 'bad_request'],
    ['a bad refresh', '/v1/resolve?ref=a&refresh=1', {}, 400, 'bad_request'],
    ['no reference at all', '/v1/resolve?ref=a', {}, 400, 'not_a_reference'],
    ['a bad reference', `/v1/resolve?ref=${encodeURIComponent('{vault://}')}`, {}, 400, 'invalid_reference'],
    ['a bad option', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/a?x=1}')}`, {}, 400, 'invalid_option'],
    [
      'a version that aws has not',
      `/v1/resolve?ref=${encodeURIComponent('{vault://sm/a#3}')}`,
      {},
      400,
      'unsupported_version',
    ],
    ['a missing secret', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/none}')}`, {}, 404, 'not_found'],
    ['a missing vault', `/v1/resolve?ref=${encodeURIComponent('{vault://no/a}')}`, {}, 404, 'unknown_vault'],
    ['a missing key', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/db/x}')}`, {}, 404, 'key_not_found'],
    ['an object', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/db/o}')}`, {}, 422, 'key_not_scalar'],
    ['a secret that is no JSON', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/text/x}')}`, {}, 422, 'not_json'],
    ['a denied secret', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/denied}')}`, {}, 424, 'access_denied'],
    ['a vault that is down', `/v1/resolve?ref=${encodeURIComponent('{vault://sm/down}')}`, {}, 503, 'unavailable'],
    ['another method', '/v1/resolve', { method: 'DELETE' }, 405, 'method_not_allowed'],
    [
      'another type of body',
      '/v1/resolve',
      { method: 'POST', body: 'references=a', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a body that is no JSON',
      '/v1/resolve',
      { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
      400,
      'bad_request',
    ],
    ['a body of another form', '/v1/resolve', { method: 'POST', body: { reference: 'a' } }, 400, 'bad_request'],
    [
      'a body that is too large',
      '/v1/resolve',
      { method: 'POST', body: { references: ['x'.repeat(4_300_000)] } },
      413,
      'too_large',
    ],
    [
      'a body of more values than any call needs',
      '/v1/resolve',
      { method: 'POST', body: { references: Array.from({ length: 20_000 }, () => []) } },
      400,
      'bad_request',
    ],
    ['a wrong token', '/v1/resolve?ref=a', { token: 'wrong' }, 403, 'bad_token'],
  ] as const) {
    it(`answers ${what} with ${status} ${code}`, async () => {
      bench.vault.set('text', { value: 'plain' });
      bench.vault.set('denied', 'denied');
      bench.vault.set('down', 'down');
      const answer = await bench.call(path, options as object);
      assert.deepEqual([answer.status, answer.json?.error.code], [status, code], answer.text);
      assert.equal(answer.headers['content-type'], 'application/json');
      if (status === 503) assert.ok(Number(answer.headers['retry-after']) >= 1);
      if (status === 405) assert.equal(answer.headers.allow, 'GET, POST');
    });
  }

  it('is not ready for a vault that a configuration could have, before there is one', async () => {
    const early = await ApiBench.start({ folder });
    try {
      const answer = await early.resolve('{vault://sm/db}');
      assert.deepEqual(
        [answer.status, answer.json.error.code, answer.json.error.reference],
        [503, 'not_ready', '{vault://sm/db}'],
      );
      assert.ok(Number(answer.headers['retry-after']) >= 1);
    } finally {
      await early.stop();
    }
  });

  it('bounds refreshes by one client, says when to come back, and still gives what is held', async () => {
    const bench = await ApiBench.start({ folder });
    try {
      bench.vault.fallback = { value: 'x' };
      bench.configure({ sm: {} });
      const path = `/v1/resolve?refresh=true&ref=${encodeURIComponent('{vault://sm/a}')}`;
      const statuses: number[] = [];
      let last = await bench.call(path);
      for (let count = 0; count < 1000 && last.status === 200; count++) {
        statuses.push(last.status);
        last = await bench.call(path);
      }
      assert.ok(statuses.length >= 200);
      assert.deepEqual([last.status, last.json.error.code], [429, 'too_many']);
      assert.ok(Number(last.headers['retry-after']) >= 1);
      assert.equal((await bench.resolve('{vault://sm/a}')).status, 200);
      assert.ok(bench.refusals.counts().too_many_refreshes! >= 1);
    } finally {
      await bench.stop();
    }
  });
});
