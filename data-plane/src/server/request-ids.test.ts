import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { ApiBench } from './testing/api-bench.ts';

const MADE = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

describe('the id of a call', () => {
  const folder = temporaryFolder();
  let bench: ApiBench;
  before(async () => {
    bench = await ApiBench.start({ folder });
    bench.vault.set('a', { value: '{"k":"v"}', id: 'one' });
    bench.vault.set('down', 'down');
    bench.configure({ sm: {} });
  });
  after(() => bench.stop());

  const named = (id: string) => ({ 'x-request-id': id });
  const linesOf = (id: string) => bench.log.lines().filter(({ request_id }) => request_id === id);

  it('is told by every door: the one that the caller has given', async () => {
    type Options = { method?: string; body?: string | object; headers?: Record<string, string> };
    const calls: Array<[path: string, options: Options]> = [
      [`/v1/resolve?ref=${encodeURIComponent('{vault://sm/a/k}')}`, {}],
      [`/v1/resolve?ref=${encodeURIComponent('{vault://sm/none}')}`, {}],
      ['/v1/resolve', { method: 'POST', body: { references: ['{vault://sm/a}'] } }],
      ['/secretsmanager/get?secretId=a&vault=sm', {}],
      ['/v1/a?vault=sm', {}],
      [
        '/aws/sm',
        {
          method: 'POST',
          body: '{"SecretId":"a"}',
          headers: { 'x-amz-target': 'secretsmanager.GetSecretValue', 'content-type': 'application/x-amz-json-1.1' },
        },
      ],
      ['/v1/refresh', { method: 'POST', body: {} }],
      ['/nothing/here', {}],
      ['/ping', {}],
    ];
    for (const [path, { headers, ...options }] of calls) {
      const id = `shop-7:${path.length}`;
      const answered = await bench.call(path, { ...options, headers: { ...headers, ...named(id) } });
      assert.equal(answered.headers['x-request-id'], id, path);
      if (path === '/aws/sm') assert.equal(answered.headers['x-amzn-requestid'], id);
    }
    const watch = await new Promise<string | undefined>((resolve, reject) => {
      const path = `/v1/watch?ref=${encodeURIComponent('{vault://sm/a}')}`;
      const headers = { 'x-vault-token': bench.token, ...named('watcher') };
      get({ host: '127.0.0.1', port: bench.port, path, headers, agent: false }, (answer) => {
        resolve(answer.headers['x-request-id'] as string);
        answer.destroy();
      }).once('error', reject);
    });
    assert.equal(watch, 'watcher');
  });

  it('is made where there is none, or none that may stand in a log', async () => {
    const made = new Set<unknown>();
    for (const headers of [{}, named('a b'), named('"},{'), named('x'.repeat(129)), named('é')]) {
      const { headers: answered } = await bench.call('/nothing/here', { headers });
      assert.match(answered['x-request-id'] as string, MADE);
      made.add(answered['x-request-id']);
    }
    assert.equal(made.size, 5);
  });

  it('is in every log line of the call, those of the fetch that it leads to too, and in no line of another', async () => {
    const [one, two] = await Promise.all([
      bench.resolve('{vault://sm/down/x}', { headers: named('call-1') }),
      bench.resolve('{vault://nowhere/a}', { headers: named('call-2') }),
    ]);
    assert.deepEqual([one.status, two.status], [503, 404]);
    assert.deepEqual(
      new Set(linesOf('call-2').map(({ event }) => event)),
      new Set(['a_call_was_answered_with_an_error']),
    );
    const events = linesOf('call-1').map(({ event }) => event);
    assert.ok(events.includes('a_call_was_answered_with_an_error'), events.join());
    assert.ok(events.includes('a_fetch_failed') || events.includes('the_vault_does_not_answer'), events.join());
  });

  it('is none of the words of a caller whose token is not taken', async () => {
    const { status, headers } = await bench.call('/v1/a?vault=sm', { token: 'wrong', headers: named('stranger') });
    assert.equal(status, 403);
    assert.match(headers['x-request-id'] as string, MADE);
    assert.ok(!bench.log.text().includes('stranger'));
    assert.deepEqual(
      linesOf(headers['x-request-id'] as string)
        .map(({ event }) => event)
        .sort(),
      ['a_call_was_answered_with_an_error', 'refused'],
    );
  });
});
