import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';
import { openHcv } from '../testing/open-hcv.ts';
import { silentPort } from '../testing/silent-port.ts';

const TOKEN = { token: 's.canary' };

/** What stands at a server's address in place of it. */
async function standIn(listener: RequestListener): Promise<AsyncDisposable & { config: OpenBao['config'] }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    config: { protocol: 'http', host: '127.0.0.1', port },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Answers every read with this, and every look at the token as a server does. */
const answering = (status: number, body: string, headers: Record<string, string> = {}): RequestListener => {
  return (request, response) => {
    if (request.url?.endsWith('/lookup-self')) response.end('{"data":{"ttl":0}}');
    else response.writeHead(status, headers).end(body);
  };
};

describe('a vault of type hcv that does not answer as it should', () => {
  for (const [what, status, body, message] of [
    ['fails', 500, '{"errors":["1 error occurred: canary"]}', /failed \(HTTP 500\)/],
    ['is behind a gateway that fails', 502, '<html>canary</html>', /failed \(HTTP 502\)/],
    ['answers with a page', 200, '<html>canary</html>', /not its protocol/],
    ['answers with nothing', 200, '', /not its protocol/],
    ['answers with half of it', 200, '{"data":{"data":{"a":"canary"}', /not its protocol/],
    ['answers without a secret', 200, '{"data":{"metadata":{}}}', /not its protocol/],
    ['answers with a list', 200, '{"data":["canary"]}', /not its protocol/],
    ['answers with something else that is not there', 404, '<html>canary</html>', /not its protocol/],
    ['is behind a gateway that refuses', 403, '<html>canary</html>', /not its protocol/],
    ['answers with a redirection', 307, '', /sends its callers elsewhere \(HTTP 307\)/],
    ['says what it thinks of a request', 400, '{"errors":["canary"]}', /failed \(HTTP 400\)/],
  ] as const) {
    it(`is unavailable where it ${what}`, async () => {
      await using server = await standIn(answering(status, body, { location: 'http://127.0.0.1:1/v1/canary' }));
      await using hcv = await openHcv(server, TOKEN);
      await assert.rejects(hcv.read('hello'), (error: Error & { code: string }) => {
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /canary/);
        return true;
      });
    });
  }

  it('that throttles is said to, with the time that it wants to be left alone', async () => {
    await using server = await standIn(answering(429, '{"errors":["request path"]}', { 'retry-after': '7' }));
    await using hcv = await openHcv(server, TOKEN);
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', throttled: true, retryAfterSeconds: 7 });
    assert.equal(hcv.counts.throttled, 1);
  });

  it('gives up a connection that is never made long before the whole call is over', async () => {
    await using silent = await silentPort();
    const server = { config: { protocol: 'http', host: '127.0.0.1', port: silent.port } };
    await using hcv = await openHcv(server, TOKEN, { deadlines: { connect: 100, total: 60_000 } });
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', message: /can't be reached \(ETIMEDOUT\)/ });
  });

  it('gives up an answer that does not come at the deadline, and at once where nobody wants it any more', async () => {
    const open: Socket[] = [];
    const mute = createTcpServer((socket) => open.push(socket)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const server = { config: { protocol: 'http', host: '127.0.0.1', port: (mute.address() as AddressInfo).port } };
    try {
      await using hasty = await openHcv(server, TOKEN, { deadlines: { connect: 5000, total: 200 } });
      await assert.rejects(hasty.read('hello'), { code: 'unavailable', message: /did not answer in 200 ms/ });
      await using patient = await openHcv(server, TOKEN);
      const stop = new AbortController();
      const read = patient.backend.fetch({ path: 'hello', version: {} }, stop.signal);
      queueMicrotask(() => stop.abort());
      await assert.rejects(read, { code: 'unavailable', message: /was cancelled/ });
    } finally {
      for (const socket of open) socket.destroy();
      mute.close();
    }
  });

  it('can not be this program itself', async () => {
    await using server = await standIn(answering(200, '{}'));
    const { host, port } = server.config;
    await using hcv = await openHcv(server, TOKEN, { ownListen: `${host}:${port}` });
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', message: /this program's own api_listen/ });
  });

  it('is told apart from others of its kind', async () => {
    const far = { config: { protocol: 'http', host: 'vault.example', port: 8200 } };
    await using hcv = await openHcv(far, { ...TOKEN, namespace: 'a/b', mount: '/kv/' });
    const target = 'the vault server http://vault.example:8200, namespace a/b';
    assert.equal(hcv.backend.scope, 'hcv ["http://vault.example:8200","a/b"]');
    assert.equal(hcv.backend.description, `kv (kv v2) of ${target}, by token`);
  });
});

describe('a vault of a real OpenBao', { skip: noOpenBao() ?? false }, () => {
  it('is unavailable while the server is gone, and as before when it is back', async () => {
    await using server = await OpenBao.start();
    const begin = async () => {
      await server.policy('read', ['secret/data/*']);
      await server.putSecret('hello', { foo: 'bar' });
      await server.enable('approle');
      await server.role('dp', { token_policies: 'read' });
      await server.api('POST', 'auth/approle/role/dp/custom-secret-id', { secret_id: 'custom-secret' });
    };
    await begin();
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_secret_id: 'custom-secret' };
    await using hcv = await openHcv(server, config);
    await hcv.read('hello');
    await server.kill();
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', message: /can't be reached \(ECONNREFUSED\)/ });
    await server.startAgain();
    await begin();
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
  });

  it('stops at once, whatever is under way, and leaves nothing that keeps the program alive', async () => {
    await using server = await OpenBao.start();
    await server.putSecret('hello', { foo: 'bar' });
    const token = await server.token({ policies: ['root'], ttl: '1h' });
    await using hcv = await openHcv(server, { token });
    await hcv.read('hello');
    server.pause();
    const read = hcv.read('hello');
    hcv.backends.stop();
    await assert.rejects(read, { code: 'unavailable' });
    server.resume();
  });
});
