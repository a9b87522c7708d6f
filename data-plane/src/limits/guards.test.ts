import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { ApiBench } from '../server/testing/api-bench.ts';
import { EventReader } from '../server/testing/event-reader.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

const CANARY = 'canary-value-8d1f';

describe('the guards of the application API', () => {
  const folder = temporaryFolder();
  const unixSocket = join(folder, 'api.sock');
  const policiesFile = join(folder, 'policies.json');
  let bench: ApiBench;
  before(async () => {
    writeFileSync(
      policiesFile,
      JSON.stringify({
        policies: [
          { name: 'one', token: 'token-one-4f9c1b7de2a85036', allow: ['{vault://aws/one/*}', '{vault://aws/exact}'] },
          { name: 'two', token: 'token-two-0b6e93d4c8f17a25', allow: ['{vault://aws/two/*}'] },
        ],
      }),
    );
    bench = await ApiBench.start({ folder, policiesFile, server: { unixSocket } });
    for (const name of ['a', 'two/db', 'two/a', 'two/b', 'one/a', 'exact/db']) bench.vault.set(name, { value: CANARY });
  });
  after(() => bench.stop());

  const oneSecret = encodeURIComponent('{vault://aws/two/db}');
  const doors: Array<[name: string, path: string, options: object]> = [
    ['/v1/resolve', `/v1/resolve?ref=${oneSecret}`, {}],
    ['/v1/resolve, many', '/v1/resolve', { method: 'POST', body: { references: ['{vault://aws/two/db}'] } }],
    ['/v1/watch', `/v1/watch?ref=${oneSecret}`, {}],
    ['/secretsmanager/get', '/secretsmanager/get?secretId=two/db', {}],
    ['/v1/<secretId>', '/v1/two/db', {}],
    [
      "AWS's GetSecretValue",
      '/',
      { method: 'POST', body: { SecretId: 'two/db' }, headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' } },
    ],
    [
      "AWS's BatchGetSecretValue",
      '/',
      {
        method: 'POST',
        body: { SecretIdList: ['two/db'] },
        headers: { 'x-amz-target': 'secretsmanager.BatchGetSecretValue' },
      },
    ],
    [
      "AWS's DescribeSecret",
      '/',
      { method: 'POST', body: { SecretId: 'two/db' }, headers: { 'x-amz-target': 'secretsmanager.DescribeSecret' } },
    ],
  ];

  for (const [name, path, options] of doors) {
    it(`let nobody without a token through ${name}, nor through a proxy, nor by a foreign name`, async () => {
      const { headers } = options as { headers?: object };
      for (const [token, more, expected] of [
        [null, {}, [403]],
        ['', {}, [403]],
        ['wrong', {}, [403]],
        [bench.token.slice(0, -1), {}, [403]],
        [bench.token, { 'x-forwarded-for': '127.0.0.1' }, [400]],
        [bench.token, { host: 'evil.example' }, [400]],
        [bench.token, { host: 'evil.example:2773' }, [400]],
        [bench.token, { host: '127.0.0.1.evil.example' }, [400]],
        [bench.token, { host: '169.254.169.254' }, [400]],
      ] as const) {
        const answer = await bench.call(path, { ...options, token, headers: { ...headers, ...more } });
        assert.deepEqual([answer.status], expected, JSON.stringify(more));
        assert.ok(!answer.text.includes(CANARY));
      }
    });

    it(`let one application have nothing of another's through ${name}`, async () => {
      const before = bench.vault.calls;
      const answer = await bench.call(path, { ...options, token: 'token-one-4f9c1b7de2a85036' });
      assert.ok(!answer.text.includes(CANARY), answer.text);
      assert.ok(!answer.text.includes('arn:'));
      if (answer.status === 200) assert.match(answer.text, /"bad_token"|"AccessDeniedException"/);
      else assert.ok([400, 403].includes(answer.status));
      assert.equal(bench.vault.calls, before);
    });
  }

  it('let each application have its own through every door', async () => {
    for (const [, path, options] of doors.filter(([name]) => name !== '/v1/watch' && !name.includes('Describe'))) {
      const answer = await bench.call(path, { ...options, token: 'token-two-0b6e93d4c8f17a25' });
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.text.includes(CANARY));
    }
    const reader = await EventReader.open(bench, ['{vault://aws/two/db}'], { token: 'token-two-0b6e93d4c8f17a25' });
    await reader.until(1);
    assert.deepEqual(reader.values(), [CANARY]);
    reader.close();
    const mixed = await bench.call('/v1/resolve', {
      method: 'POST',
      token: 'token-two-0b6e93d4c8f17a25',
      body: { references: ['{vault://aws/two/a}', '{vault://aws/one/a}', '{vault://aws/two/b?region=eu-west-1}'] },
    });
    assert.deepEqual(
      mixed.json.results.map(
        (result: { value?: string; error?: { code: string } }) => result.value ?? result.error!.code,
      ),
      [CANARY, 'bad_token', 'bad_token'],
    );
  });

  it('do not let a reference reach by its other reading what the policy does not allow', async () => {
    const own = await bench.resolve('{vault://aws/exact/db}', { token: 'token-one-4f9c1b7de2a85036' });
    assert.deepEqual([own.status, own.json.error.code], [403, 'bad_token']);
    assert.ok(!own.text.includes(CANARY));
    const reader = await EventReader.open(bench, ['{vault://aws/exact/db}'], { token: 'token-one-4f9c1b7de2a85036' });
    await reader.until(1);
    assert.deepEqual(reader.values(), ['bad_token']);
    reader.close();
    // Whoever may have all has it by that reading, held by now; the other one's hit is refused all the same.
    assert.equal((await bench.resolve('{vault://aws/exact/db}')).json.value, CANARY);
    assert.equal((await bench.resolve('{vault://aws/exact/db}', { token: 'token-one-4f9c1b7de2a85036' })).status, 403);
  });

  it('let loopback names in', async () => {
    for (const host of [
      'localhost',
      'localhost:2773',
      '127.0.0.1',
      '127.0.0.2:1',
      '[::1]:2773',
      'app.localhost',
      'LOCALHOST',
    ]) {
      assert.equal((await bench.resolve('{vault://aws/a}', { headers: { host } })).status, 200, host);
    }
  });

  it('are the same at the Unix socket, which its owner and group may use and where any name is good', async () => {
    assert.equal(statSync(unixSocket).mode & 0o777, 0o660);
    const there = { host: null, port: null, socketPath: unixSocket };
    const headers = { host: 'whatever' };
    assert.equal((await bench.resolve('{vault://aws/a}', { ...there, headers })).json.value, CANARY);
    assert.equal((await bench.resolve('{vault://aws/a}', { ...there, headers, token: 'wrong' })).status, 403);
    assert.equal(
      (await bench.resolve('{vault://aws/two/a}', { ...there, headers, token: 'token-one-4f9c1b7de2a85036' })).status,
      403,
    );
  });

  it('count every refusal and tell of it without a value, a token or what was asked', async () => {
    const counts = bench.refusals.counts();
    for (const reason of ['bad_token', 'forwarded', 'foreign_host', 'policy']) assert.ok(counts[reason]! >= 3, reason);
    const log = bench.log.text();
    assert.match(log, /"reason":"policy","client":"one"/);
    for (const secret of [
      CANARY,
      bench.token,
      'token-one-4f9c1b7de2a85036',
      'token-two-0b6e93d4c8f17a25',
      'evil.example',
      'wrong"',
    ]) {
      assert.ok(!log.includes(secret), secret);
    }
    // Many of one kind are one line, with their number.
    assert.ok(bench.log.lines().filter(({ msg }) => msg === 'refused').length < 60);
  });

  it('answer what is no HTTP, too large a head and two requests in pieces as HTTP has it', async () => {
    const say = (bytes: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(bench.port, '127.0.0.1', () => socket.write(bytes));
        let answer = '';
        socket.on('data', (chunk) => {
          answer += chunk;
          if (answer.includes('healthyHTTP')) socket.end();
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve(answer));
      });
    assert.match(await say('\x16\x03\x01rubbish\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/);
    assert.match(
      await say(`GET /ping HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    assert.match(
      await say(
        'GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      ),
      /^HTTP\/1\.1 200 [\s\S]*healthyHTTP\/1\.1 200 [\s\S]*healthy$/,
    );
    const counts = bench.refusals.counts();
    assert.ok(counts.not_http! >= 1 && counts.too_large! >= 1);
  });

  it('hold behind TLS too', { skip: noCertificates }, async () => {
    const certificate = makeCertificate(folder, 'localhost', { names: ['127.0.0.1'] });
    const tls = await ApiBench.start({ folder, server: { tls: certificate } });
    tls.vault.fallback = { value: CANARY };
    try {
      const answers: number[] = [];
      for (const token of [tls.token, 'wrong']) {
        const outgoing = tlsRequest({
          host: '127.0.0.1',
          port: tls.port,
          ca: certificate.cert,
          path: `/v1/resolve?ref=${encodeURIComponent('{vault://aws/a}')}`,
          headers: { authorization: `Bearer ${token}` },
          agent: false,
        });
        const answered = new Promise<IncomingMessage>((resolve, reject) => {
          outgoing.once('response', resolve);
          outgoing.once('error', reject);
        });
        outgoing.end();
        const answer = await answered;
        answers.push(answer.statusCode!);
        assert.equal((await text(answer)).includes(CANARY), token === tls.token);
      }
      assert.deepEqual(answers, [200, 403]);
    } finally {
      await tls.stop();
    }
  });

  it('leave no socket behind', async () => {
    const path = join(folder, 'other.sock');
    const other = await ApiBench.start({ folder, server: { unixSocket: path } });
    assert.ok(existsSync(path));
    await other.stop();
    assert.ok(!existsSync(path));
  });
});
