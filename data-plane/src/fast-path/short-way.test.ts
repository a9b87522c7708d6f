import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FakeClock, settled } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import { ApiBench } from '../server/testing/api-bench.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

/** Everything that a connection answers to these pieces until the server closes it. */
function conversation(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    void (async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece, 'latin1');
        await new Promise((done) => setTimeout(done, 1));
      }
    })();
  });
}

/** Without what differs between any two answers. */
function comparable(text: string): string {
  // A plain hit has no id unless it brings one; then it is no plain one.
  const named = text.replace(/x-request-id: (?!sent-)[^\r]+\r\n/g, '');
  return named.replace(/Date: [^\r]+/g, 'Date').replace(/x-amzn-requestid: [^\r]+/g, 'request id');
}

describe('the short way', () => {
  const folder = temporaryFolder();
  const policiesFile = join(folder, 'policies.json');
  const clock = new FakeClock(Date.UTC(2026, 10, 24));
  let short: ApiBench;
  let long: ApiBench;
  const both = () => [short, long];
  const policies = (allow: string[]) =>
    writeFileSync(
      policiesFile,
      JSON.stringify({ policies: [{ name: 'app', token: 'app-token-4f9c1b7de2a85036', allow }] }),
    );
  before(async () => {
    policies(['{vault://sm/a}']);
    short = await ApiBench.start({ folder, clock, policiesFile });
    long = await ApiBench.start({ folder, clock, policiesFile, server: { shortWay: false } });
    for (const bench of both()) {
      bench.vault.set('a', { value: '{"k":"é"}', id: 'one' });
      bench.vault.set('b', { value: 'plain', id: 'two' });
      bench.vault.set('large', { value: 'x'.repeat(20_000), id: 'three' });
      bench.vault.set('down', 'down');
      bench.configure({ sm: { ttl: 10 } });
    }
  });
  after(async () => {
    const stopped = Promise.all(both().map((bench) => bench.stop()));
    await clock.advance(60_000);
    await stopped;
  });

  const head = (target: string, ...headers: string[]) =>
    `${[`GET ${target} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;
  const resolveTarget = (reference: string) => `/v1/resolve?ref=${encodeURIComponent(reference)}`;
  const last = head('/ping', 'Connection: close');

  /** The last answer of a kept connection to the same head again and again, with what was done in between. */
  class Kept {
    readonly #socket: Socket;
    #received = '';
    #wake = () => {};
    constructor(port: number) {
      this.#socket = connect(port, '127.0.0.1');
      this.#socket.on('error', () => {});
      this.#socket.on('data', (chunk) => {
        this.#received += chunk.toString('latin1');
        this.#wake();
      });
    }
    async ask(text: string): Promise<string> {
      this.#socket.write(text, 'latin1');
      for (;;) {
        const at = this.#received.indexOf('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1]);
        if (at >= 0 && this.#received.length >= at + 4 + length) {
          const answer = this.#received.slice(0, at + 4 + length);
          this.#received = this.#received.slice(at + 4 + length);
          return answer;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    close(): void {
      this.#socket.destroy();
    }
  }

  it('gives the very bytes that node:http gives, whatever is sent in whatever pieces', {
    timeout: 600_000,
  }, async () => {
    const token = fc.constantFrom(short.token, short.token, short.token, 'app-token-4f9c1b7de2a85036', 'wrong', '');
    const tokenHeader = fc
      .tuple(
        fc.constantFrom(
          'X-Vault-Token: ',
          'x-aws-parameters-secrets-token: ',
          'Authorization: Bearer ',
          'X-Vault-Token:',
          'X-Other: ',
        ),
        token,
      )
      .map(([name, value]) => name + value);
    const target = fc.constantFrom(
      ...[
        '{vault://sm/a/k}',
        '{vault://sm/a}',
        '{vault://sm/b}',
        '{vault://sm/none}',
        '{vault://sm/down}',
        '{vault://sm/large}',
        '{vault://no/a}',
        '{vault://sm/b/k}',
        'x',
      ].map(resolveTarget),
      `${resolveTarget('{vault://sm/a}')}&refresh=false`,
      `${resolveTarget('{vault://sm/a}')}&ref=x`,
      '/v1/resolve?ref={vault://sm/a}',
      '/v1/resolve?ref=%7Bvault%3A%2F%2Fsm%2Fa%7D',
      '/v1/resolve?ref=+%7Bvault%3A%2F%2Fsm%2Fa%7D',
      '/v1/resolve?ref=%E9',
      '/v1/resolve',
      '/secretsmanager/get?secretId=b&vault=sm',
      '/secretsmanager/get?secretId=none&vault=sm',
      '/secretsmanager/get?secretId=b&vault=sm&refreshNow=no',
      '/v1/b?vault=sm',
      '/v1/b?vault=nope',
      '/v1/%62?vault=sm',
      '/ping',
      '/nothing',
      '//v1/resolve',
      'http://localhost/ping',
      '/',
    );
    const other = fc.constantFrom(
      'Accept: */*',
      'User-Agent: x y',
      'User-Agent:  two spaces',
      'Accept-Encoding: gzip, br',
      'Connection: keep-alive',
      'Connection: Keep-Alive',
      'If-None-Match: *',
      'X-Forwarded-For: 1.2.3.4',
      'X-Request-Id: sent-1',
      'Host: evil.example',
      'Content-Length: 0',
      'Accept:\t*/*',
      'accept-language: é',
    );
    const request = fc
      .tuple(target, fc.array(fc.oneof(tokenHeader, tokenHeader, other), { minLength: 1, maxLength: 4 }))
      .map(([to, headers]) => head(to, ...headers));
    const odd = fc.constantFrom(
      `POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: ${short.token}\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{"references":["{vault://sm/b}" ]}`,
      'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n',
      `GET ${resolveTarget('{vault://sm/b}')} HTTP/1.0\r\nHost: localhost\r\nX-Vault-Token: ${short.token}\r\nConnection: keep-alive\r\n\r\n`,
      '\r\n',
    );
    const stream = fc.record({
      requests: fc.array(fc.oneof({ weight: 5, arbitrary: request }, { weight: 1, arbitrary: odd }), {
        minLength: 1,
        maxLength: 4,
      }),
      rubbish: fc.option(fc.constantFrom('\0', 'GET', 'GET / HTTP/9.9\r\n\r\n', 'GET /ping HTTP/1.1\r\n\r\n'), {
        nil: '',
      }),
      cuts: fc.array(fc.nat(400), { maxLength: 3 }),
      together: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(stream, async ({ requests, rubbish, cuts, together }) => {
        const all = [...requests, rubbish + last];
        let pieces = together ? [all.join('')] : all;
        for (const cut of cuts) pieces = pieces.flatMap((piece) => [piece.slice(0, cut), piece.slice(cut)]);
        pieces = pieces.filter((piece) => piece !== '');
        const [a, b] = await Promise.all(both().map((bench) => conversation(bench.port, pieces)));
        const [x, y] = [comparable(a!), comparable(b!)].sort((one, other) => one.length - other.length);
        // Of a connection that is closed with bytes of it unread the system may drop what is on its way: the end may lack.
        const mayBeCutOff = rubbish !== '' || /[\té]|Content-Length: 0.*Content-Length: 0/s.test(requests.join(''));
        if (!(mayBeCutOff && y!.startsWith(x!))) assert.equal(comparable(a!), comparable(b!));
      }),
      { numRuns: Number(process.env.VAULTPLANE_FUZZ_RUNS ?? 150) },
    );
  });

  it('answers the same when the value, its state, the configuration, the tokens and the policies change', async () => {
    const kept = both().map((bench) => new Kept(bench.port));
    const app = both().map((bench) => new Kept(bench.port));
    const text = head(resolveTarget('{vault://sm/a/k}'), `X-Vault-Token: ${short.token}`);
    const appText = head(resolveTarget('{vault://sm/a}'), 'X-Vault-Token: app-token-4f9c1b7de2a85036');
    const told: string[] = [];
    const same = async (what: string) => {
      for (const [connections, question] of [
        [kept, text],
        [app, appText],
      ] as const) {
        const [a, b] = await Promise.all(connections.map((connection) => connection.ask(question)));
        assert.equal(comparable(a!), comparable(b!), what);
        told.push(/^HTTP\/1\.1 (\d+)/.exec(a!)![1]! + (/"state":"(\w+)"/.exec(a!)?.[1] ?? ''));
      }
    };
    try {
      await same('at first');
      await same('again');
      for (const bench of both()) bench.vault.set('a', { value: '{"k":"new"}', id: 'four' });
      await clock.advance(10_000);
      await same('after a rotation');
      for (const bench of both()) bench.vault.set('a', 'down');
      await clock.advance(10_000);
      await same('in an outage');
      for (const bench of both()) bench.configure({ sm: { ttl: 10, resurrect_ttl: 5 } });
      await same('with another configuration');
      await clock.advance(60_000);
      await same('when it is gone');
      for (const bench of both()) bench.vault.set('a', { value: '{"k":"back"}', id: 'five' });
      await clock.advance(60_000);
      await same('when it is back');
      policies([]);
      for (const bench of both()) await bench.access.look();
      await same('with another policy');
      policies(['{vault://sm/*}']);
      for (const bench of both()) await bench.access.look();
      await same('with the policy back');
      writeFileSync(join(folder, 'api-token'), 'another');
      for (const bench of both()) await bench.access.look();
      await same('while a token that was replaced is taken still');
      await clock.advance(600_000);
      await same('when it is not any more');
      for (const bench of both()) bench.configure({});
      await same('without the vault');
      assert.deepEqual(
        told.filter((_, index) => index % 2 === 0),
        [
          '200fresh',
          '200fresh',
          '200fresh',
          '200resurrected',
          '200resurrected',
          '503',
          '200fresh',
          '200fresh',
          '200fresh',
          '200fresh',
          '403',
          '403',
        ],
      );
      assert.deepEqual(told.filter((_, index) => index % 2 === 1).slice(6), [
        '200fresh',
        '403',
        '200fresh',
        '200fresh',
        '200fresh',
        '404',
      ]);
    } finally {
      for (const connection of [...kept, ...app]) connection.close();
    }
  });

  it('is where plain hits are answered, and counts them', async () => {
    const bench = await ApiBench.start({ folder });
    const kept = new Kept(bench.port);
    try {
      bench.vault.set('b', { value: 'plain' });
      bench.configure({ sm: {} });
      // The first one waits for the vault, and stays on the short way too.
      for (let count = 0; count < 10; count++) {
        assert.match(await kept.ask(head(resolveTarget('{vault://sm/b}'), `X-Vault-Token: ${bench.token}`)), /"plain"/);
      }
      assert.equal(bench.server.shortAnswers, 10);
      assert.deepEqual([bench.lookups.counts().immediate, bench.lookups.counts().waited], [9, 1]);
      assert.match(await kept.ask(head('/ping')), /healthy/);
      assert.match(await kept.ask(head(resolveTarget('{vault://sm/b}'), `X-Vault-Token: ${bench.token}`)), /"plain"/);
      assert.equal(bench.server.shortAnswers, 10);
    } finally {
      kept.close();
      await bench.stop();
    }
  });

  it('asks a vault once for a miss that it leaves to node:http', async () => {
    const bench = await ApiBench.start({ folder });
    const kept = new Kept(bench.port);
    try {
      bench.configure({ sm: {} });
      const text = head(resolveTarget('{vault://sm/none}'), `X-Vault-Token: ${bench.token}`);
      assert.match(await kept.ask(text), /^HTTP\/1\.1 404 [\s\S]*"not_found"/);
      assert.equal(bench.vault.calls, 1);
      assert.match(await kept.ask(text), /^HTTP\/1\.1 404 /);
      assert.equal(bench.vault.calls, 2);
      assert.deepEqual([...bench.lookups.counts().errors], [['not_found', 2]]);
    } finally {
      kept.close();
      await bench.stop();
    }
  });

  it('answers a caller that closes its side with its last calls', async () => {
    for (const shortWay of [true, false]) {
      const bench = await ApiBench.start({ folder, server: { shortWay } });
      bench.vault.set('b', { value: 'plain' });
      bench.configure({ sm: {} });
      const plain = head(resolveTarget('{vault://sm/b}'), `X-Vault-Token: ${bench.token}`);
      for (const calls of [1, 2]) {
        const kept = connect(bench.port, '127.0.0.1').setEncoding('latin1');
        let received = '';
        kept.on('data', (text) => {
          received += text;
        });
        // After the first, the head is known.
        kept.write(plain);
        await new Promise((resolve) => kept.once('data', resolve));
        kept.end(plain.repeat(calls));
        await new Promise((resolve) => kept.once('close', resolve));
        assert.equal(received.match(/HTTP\/1\.1 200 OK/g)?.length, 1 + calls);
        assert.equal(received.match(/"value":"plain"/g)?.length, 1 + calls);
      }
      await bench.stop();
    }
  });

  it('ends connections that say nothing, later those that were of use', async () => {
    const fake = new FakeClock(Date.UTC(2026, 10, 24));
    const bench = await ApiBench.start({ folder, clock: fake });
    bench.vault.set('b', { value: 'plain' });
    bench.configure({ sm: {} });
    const silent = conversation(bench.port, []);
    const kept = new Kept(bench.port);
    const text = head(resolveTarget('{vault://sm/b}'), `X-Vault-Token: ${bench.token}`);
    await kept.ask(text);
    while (bench.server.connections.count < 2) await settled();
    await fake.advance(12_000);
    assert.equal(await silent, '');
    assert.match(await kept.ask(text), /"plain"/);
    await fake.advance(70_000);
    assert.match(await kept.ask(text), /"plain"/);
    await fake.advance(80_000);
    while (bench.server.connections.count > 0) await settled();
    const stopped = bench.stop();
    await fake.advance(60_000);
    await stopped;
  });

  it('lets a connection go when the data plane stops, also one that waits for a vault', async () => {
    const bench = await ApiBench.start({ folder });
    bench.configure({ sm: {} });
    const idle = conversation(bench.port, []);
    let open = () => {};
    bench.vault.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    bench.vault.set('b', { value: 'late' });
    const waiting = conversation(bench.port, [head(resolveTarget('{vault://sm/b}'), `X-Vault-Token: ${bench.token}`)]);
    while (bench.vault.calls === 0) await settled();
    const stopped = bench.server.stop();
    assert.equal(await idle, '');
    open();
    assert.match(await waiting, /"late"/);
    await stopped;
    await bench.stop();
  });
});
