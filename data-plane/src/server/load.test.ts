import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ApiProgramFacts } from './testing/api-program.ts';

const PROGRAM = fileURLToPath(new URL('testing/api-program.ts', import.meta.url));
const SMALL = `/v1/resolve?ref=${encodeURIComponent('{vault://sm/small}')}`;
const LARGE = JSON.stringify({ references: Array.from({ length: 200 }, (_, index) => `{vault://sm/large-${index}}`) });

/** A connection that asks one thing after the other and checks every answer. */
class Asker {
  readonly #socket: Socket;
  readonly #head: string;
  #received = '';
  #wake = () => {};
  #closed = false;

  constructor(port: number, token: string) {
    this.#head = `GET ${SMALL} HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: ${token}\r\n\r\n`;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Milliseconds that the right answer took. */
  async ask(): Promise<number> {
    const begun = performance.now();
    this.#socket.write(this.#head);
    for (;;) {
      const at = this.#received.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1]);
      if (at >= 0 && this.#received.length >= at + 4 + length) {
        const answer = this.#received.slice(0, at + 4 + length);
        this.#received = this.#received.slice(at + 4 + length);
        assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*"value":"v{64}"/);
        return performance.now() - begun;
      }
      assert.equal(this.#closed, false, 'the connection was closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe('the application API under load', () => {
  let program: ChildProcess;
  let port: number;
  let token: string;
  const sockets: Socket[] = [];
  const facts = async (): Promise<ApiProgramFacts> => {
    program.send('facts');
    const [answer] = await once(program, 'message');
    return answer as ApiProgramFacts;
  };
  beforeEach(async () => {
    program = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(program, 'message');
    ({ port, token } = await facts());
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    const exited = once(program, 'exit');
    program.send('stop');
    await exited;
  });
  const open = (...pieces: string[]): Socket => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {});
    for (const piece of pieces) socket.write(piece, 'latin1');
    return socket;
  };
  const largeCall = () =>
    `POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: ${token}\r\nContent-Type: application/json\r\nContent-Length: ${LARGE.length}\r\n\r\n${LARGE}`;
  const until = async (what: string, wanted: (now: ApiProgramFacts) => boolean) => {
    for (;;) {
      const now = await facts();
      if (wanted(now)) return now;
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (!program.connected) throw new Error(`the program ended before ${what}`);
    }
  };
  const tell = (t: TestContext, what: string, times: number[]) => {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number) => `${sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(1)} ms`;
    t.diagnostic(`${what}: ${times.length} answers, median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`);
  };

  it('answers on two thousand connections at once', { timeout: 300_000 }, async (t) => {
    const askers = Array.from({ length: 2000 }, () => new Asker(port, token));
    try {
      const times: number[] = [];
      for (let round = 0; round < 5; round++) times.push(...(await Promise.all(askers.map((asker) => asker.ask()))));
      assert.equal((await facts()).connections, 2000);
      tell(t, '2,000 connections', times);
    } finally {
      for (const asker of askers) asker.close();
    }
    const after = await until('all had gone', ({ connections }) => connections === 0);
    assert.deepEqual([after.errors, after.refusals], [0, {}]);
  });

  it('is noticed by nobody to whom others send rubbish, never read, come slowly, or are killed in the middle of an answer', {
    timeout: 300_000,
  }, async (t) => {
    const askers = Array.from({ length: 20 }, () => new Asker(port, token));
    const times: number[] = [];
    let going = true;
    const steady = Promise.all(
      askers.map(async (asker) => {
        while (going) times.push(await asker.ask());
      }),
    );
    try {
      // 1,500 that only connect; heads that never end; bodies that never come; bytes of every kind.
      for (let count = 0; count < 1500; count++) open();
      for (let count = 0; count < 100; count++) open('GET /v1/resolve HTTP/1.1\r\nHost: local');
      for (let count = 0; count < 50; count++) open(largeCall().slice(0, -1000));
      for (let count = 0; count < 300; count++) {
        const bytes = Array.from({ length: 1 + ((count * 37) % 700) }, (_, at) =>
          String.fromCharCode((at * 131 + count * 17) % 256),
        );
        open(bytes.join(''));
      }
      for (let count = 0; count < 50; count++) open(`GET ${SMALL} HTTP/1.1\r\nX: ${'x'.repeat(80_000)}`);
      await until('rubbish was refused', ({ refusals }) => (refusals.not_http ?? 0) >= 200);

      // Twelve megabytes an answer, which nobody reads.
      for (let count = 0; count < 60; count++) open(largeCall(), largeCall()).pause();
      await until('unread answers were refused', ({ refusals }) => (refusals.too_much_unread ?? 0) > 0);
      const during = await facts();
      t.diagnostic(`with 60 that never read: ${Math.round(during.rssBytes / 1e6)} MB resident`);
      assert.ok(during.rssBytes < 1e9);

      // Processes that are killed while their answer is on its way.
      for (let count = 0; count < 3; count++) {
        const child = spawn(
          process.execPath,
          [
            '-e',
            `const s=require('net').connect(${port},'127.0.0.1',()=>s.write(process.env.CALL));s.once('data',()=>{s.pause();console.log('reading')});s.on('error',()=>{})`,
          ],
          { env: { ...process.env, CALL: largeCall() }, stdio: ['ignore', 'pipe', 'ignore'] },
        );
        const exited = once(child, 'exit');
        await Promise.race([once(child.stdout, 'data'), exited]);
        child.kill('SIGKILL');
        await exited;
      }
      const asked = times.length;
      while (times.length < asked + 2000) await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      going = false;
      await steady;
      for (const asker of askers) asker.close();
    }
    tell(t, '20 others meanwhile', times);
    for (const socket of sockets.splice(0)) socket.destroy();
    const after = await until('all had gone', ({ connections }) => connections === 0);
    assert.equal(after.errors, 0);
    // What was held for them is free again: a large answer is to be had.
    const last = open(largeCall());
    let bytes = 0;
    last.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > 12_000_000) last.destroy();
    });
    await once(last, 'close');
    assert.ok(bytes > 12_000_000);
  });
});
