import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { AnswerBudget } from './answer-budget.ts';
import { exchange, type HttpTarget } from './http-exchange.ts';

describe('an exchange over HTTP', () => {
  const never = new AbortController().signal;
  const limits = { connect: 20_000, answer: 1000 };
  const agent = new Agent({ keepAlive: true });
  let close: (() => Promise<void>) | undefined;
  afterEach(async () => {
    agent.destroy();
    await close?.();
    close = undefined;
  });

  async function serve(listener: RequestListener): Promise<{ method: string; url: HttpTarget }> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    close = async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    const { port } = server.address() as AddressInfo;
    return { method: 'POST', url: { protocol: 'http:', host: '127.0.0.1', port, path: '/a/../b?c=d' } };
  }

  it('sends a path as it stands and bytes as a body, and puts an answer of pieces together', async () => {
    let asked = '';
    const request = await serve(async (message, response) => {
      asked = `${message.method} ${message.url} ${message.headers['x-mine']} `;
      for await (const bytes of message) asked += bytes;
      response.statusCode = 418;
      response.write('one ');
      setImmediate(() => response.end('two'));
    });
    const body = Buffer.from('bytes');
    const answer = await exchange({ ...request, headers: { 'x-mine': 'yes' }, body }, agent, limits, never);
    assert.deepEqual([answer.status, answer.body.toString()], [418, 'one two']);
    assert.equal(asked, 'POST /a/../b?c=d yes bytes');
  });

  it('refuses an answer that is too large, and hangs up', async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    const request = await serve((_message, response) => {
      response.once('close', resolve);
      response.write('x'.repeat(1001));
    });
    await assert.rejects(exchange(request, agent, limits, never), (error: BackendError) => {
      assert.ok(error instanceof BackendError);
      assert.match(error.message, /larger than 1000 bytes/);
      return true;
    });
    await hungUp;
  });

  it('refuses an answer that is said to be too large before it reads any of it', async () => {
    const request = await serve((_message, response) => {
      response.writeHead(200, { 'content-length': '1001' });
      response.flushHeaders();
    });
    await assert.rejects(exchange(request, agent, limits, never), /larger than 1000 bytes/);
  });

  it('counts answers under way together, and gives back what ended in any way', async () => {
    const budget = new AnswerBudget(1500);
    const held: ServerResponse[] = [];
    const request = await serve((message, response) => {
      if (message.headers['x-mine'] === 'cut') return response.write('x'.repeat(10), () => response.destroy());
      if (message.headers['x-mine'] === 'whole') return response.end('whole');
      held.push(response);
      return response.write('x'.repeat(Number(message.headers['x-mine'])));
    });
    const ask = (mine: string, signal = never) =>
      exchange({ ...request, headers: { 'x-mine': mine } }, agent, { ...limits, budget }, signal);
    const first = ask('600');
    await until('the first is under way', () => budget.bytes === 600);
    const largest = ask('800');
    const refused = assert.rejects(largest, (error: BackendError) => {
      assert.ok(error instanceof BackendError && error.code === 'unavailable');
      assert.match(error.message, /larger than 1500 bytes together/);
      return true;
    });
    await until('both are under way', () => budget.bytes === 1400);
    const abort = new AbortController();
    const last = assert.rejects(ask('200', abort.signal), { code: 'ABORT_ERR' });
    await refused;
    await until('the largest counts no more', () => budget.bytes === 800);
    assert.equal((await ask('whole')).body.toString(), 'whole');
    await assert.rejects(ask('cut'), { code: 'ECONNRESET' });
    abort.abort();
    await last;
    held[0]!.end();
    assert.equal((await first).body.length, 600);
    await until('nothing is under way', () => budget.bytes === 0);
  });

  it('refuses answers of the destination that takes most, however small they are', () => {
    const budget = new AnswerBudget(100);
    const refused: string[] = [];
    const open = (name: string, destination: string) => budget.open(destination, () => refused.push(name));
    const honest = open('honest', 'honest:443');
    honest.add(40);
    for (let index = 0; index < 20; index++) open(`hog ${index}`, 'hog:443').add(20);
    honest.add(10);
    assert.equal(refused.includes('honest'), false);
    assert.ok(refused.length >= 17 && budget.bytes <= 100, `${refused.length} refused, ${budget.bytes} bytes left`);
  });

  it('fails where an answer is cut, and asks no second time', async () => {
    let asked = 0;
    const request = await serve((_message, response) => {
      asked++;
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    await assert.rejects(exchange(request, agent, limits, never), { code: 'ECONNRESET' });
    assert.equal(asked, 1);
  });

  for (const [when, begun] of [
    ['before it is answered', false],
    ['in the middle of its answer', true],
  ] as const) {
    it(`is given up by its signal ${when}, and hangs up`, async () => {
      const [arrived, hungUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const request = await serve((_message, response) => {
        response.once('close', hungUp.resolve);
        if (begun) response.write('half', () => arrived.resolve());
        else arrived.resolve();
      });
      const abort = new AbortController();
      const answer = exchange(request, agent, limits, abort.signal);
      await arrived.promise;
      abort.abort();
      await assert.rejects(answer, { code: 'ABORT_ERR' });
      await hungUp.promise;
    });
  }

  it('says of a signal that is a timeout that the time is over, and sends nothing where it is over before', async () => {
    let asked = 0;
    const request = await serve(() => {
      asked++;
    });
    await assert.rejects(exchange(request, agent, limits, AbortSignal.abort()), { code: 'ABORT_ERR' });
    assert.equal(asked, 0);
    await assert.rejects(exchange(request, agent, limits, AbortSignal.timeout(50)), { code: 'ETIMEDOUT' });
  });

  it('asks once more where the connection was closed while it was idle, and no more', async () => {
    const answered = new WeakSet<object>();
    let asked = 0;
    const request = await serve((message, response) => {
      asked++;
      // The second request of a connection finds it closed.
      if (answered.has(message.socket)) return message.socket.destroy();
      answered.add(message.socket);
      return response.end('fine');
    });
    await exchange(request, agent, limits, never);
    assert.equal((await exchange(request, agent, limits, never)).body.toString(), 'fine');
    assert.equal(asked, 3);
  });
});
