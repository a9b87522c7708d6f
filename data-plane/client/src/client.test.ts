import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ERROR_STATUS, type ErrorCode } from '@vaultplane/model/errors/vaultplane-error.ts';
import { wearConnections } from '@vaultplane/testkit/worn-connections.ts';
import { type Client, type ClientErrorCode, connect, DataPlaneUnreachable, Secret } from './client.ts';
import type { SecretBody } from './secret.ts';

// What no real data plane can be made to do at a wanted moment: messages between two others, silence, rubbish. The client
// beside real ones is tested in test/interop.

const USER = '{vault://aws/db/user}';
const PASSWORD = '{vault://aws/db/password}';

/** A data plane whose every word is the test's. */
class ScriptedDataPlane {
  /** Values, whose version is in front of the colon. */
  readonly values = new Map<string, string>();
  readonly watches: Array<{ references: string[]; response: ServerResponse }> = [];
  lookups = 0;
  /** Whether a watch is told the values when it begins. */
  tellsAtOnce = true;
  readonly #server: Server;
  #waiting: Array<() => void> = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  body(reference: string): SecretBody {
    const [id = ''] = this.values.get(reference)!.split(':');
    return {
      ...{ reference, value: this.values.get(reference)!, state: 'fresh', vault: 'aws', config_version: 1 },
      ...{ version: { id, stages: ['AWSCURRENT'] }, expires_at: null },
      fetched_at: new Date(1_700_000_000_000 + Number(id) * 1000).toISOString(),
    };
  }

  tell(reference: string, on = this.watches.at(-1)!): void {
    on.response.write(`event: value\ndata: ${JSON.stringify(this.body(reference))}\n\n`);
  }

  /** Waits until there were so many watches. */
  async watched(count: number): Promise<void> {
    while (this.watches.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://x');
    if (url.pathname === '/v1/watch') {
      const watch = { references: url.searchParams.getAll('ref'), response };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('retry: 1000\n\n');
      this.watches.push(watch);
      if (this.tellsAtOnce) for (const reference of watch.references) this.tell(reference, watch);
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    this.lookups++;
    const { references } = JSON.parse(text) as { references: string[] };
    response.end(JSON.stringify({ results: references.map((reference) => this.body(reference)) }));
  }
}

describe('the client beside a data plane that does what is wanted', () => {
  let dataPlane: ScriptedDataPlane;
  let url: string;
  let secrets: Client;
  beforeEach(async () => {
    dataPlane = new ScriptedDataPlane();
    dataPlane.values.set(USER, '1:user').set(PASSWORD, '1:password');
    url = await dataPlane.start();
    secrets = connect({ url, token: 'a-token', patienceMs: 0 });
  });
  afterEach(() => {
    secrets.close();
    dataPlane.stop();
  });

  /** Waits until a watcher was told a text. */
  function told(reference: string, text: string): Promise<void> {
    return new Promise((resolve) => {
      const end = secrets.watch(reference, (event) => {
        if (!(event instanceof Secret) || event.value !== text) return;
        queueMicrotask(() => end());
        resolve();
      });
    });
  }

  it('never mixes two versions of a secret, also between the messages of one rotation', async () => {
    await Promise.all([told(USER, '1:user'), told(PASSWORD, '1:password')]);
    const login = { user: USER, password: PASSWORD };
    assert.deepEqual(await secrets.getMany(login), { user: '1:user', password: '1:password' });
    assert.equal(dataPlane.lookups, 0, 'both were pushed');
    dataPlane.values.set(USER, '2:user').set(PASSWORD, '2:password');
    const second = told(USER, '2:user');
    dataPlane.tell(USER);
    await second;
    // The password's message is still to come.
    assert.deepEqual(await secrets.getMany(login), { user: '2:user', password: '2:password' });
    assert.equal(dataPlane.lookups, 1);
  });

  it('takes a push for newer than an answer that was on its way, unless that is of a later fetch', async () => {
    await told(USER, '1:user');
    dataPlane.values.set(USER, '3:user');
    assert.equal(await secrets.get(USER, { refresh: true }), '3:user');
    assert.equal(await secrets.get(USER), '3:user', 'what a refresh gave is what the next lookup gives');
    dataPlane.values.set(USER, '2:user');
    await secrets.get(USER, { refresh: true });
    assert.equal(await secrets.get(USER), '3:user');
  });

  it('tells a watcher at once of a value that was looked up just before, and has not changed', {
    timeout: 10_000,
  }, async () => {
    await secrets.get(USER);
    await told(USER, '1:user');
  });

  it('asks once more where its kept connection died while it was idle', async () => {
    dataPlane.tellsAtOnce = false;
    await using way = await wearConnections(Number(new URL(url).port));
    const beyond = connect({ url: `http://127.0.0.1:${way.port}`, token: 'a-token', patienceMs: 0 });
    try {
      for (let turn = 0; turn < 3; turn++) assert.equal(await beyond.get(USER, { refresh: true }), '1:user');
    } finally {
      beyond.close();
    }
    assert.ok(way.resets() >= 2, `${way.resets()} connections were used again`);
  });

  it('asks the data plane for what it has not told of yet', async () => {
    dataPlane.tellsAtOnce = false;
    assert.equal(await secrets.get(USER), '1:user');
    await dataPlane.watched(1);
    dataPlane.values.set(USER, '2:user');
    assert.equal(await secrets.get(USER), '2:user');
    assert.equal(dataPlane.lookups, 2);
  });

  it('has one connection for many references, which goes on telling while another one takes over', async () => {
    await told(USER, '1:user');
    dataPlane.tellsAtOnce = false;
    const password = told(PASSWORD, '2:password');
    await dataPlane.watched(2);
    assert.deepEqual(dataPlane.watches[1]!.references, [USER, PASSWORD]);
    dataPlane.values.set(USER, '2:user').set(PASSWORD, '2:password');
    const user = told(USER, '2:user');
    dataPlane.tell(USER, dataPlane.watches[0]);
    await user;
    const old = dataPlane.watches[0]!.response;
    const closed = new Promise((resolve) => old.once('close', resolve));
    dataPlane.tell(USER);
    dataPlane.tell(PASSWORD);
    await password;
    await closed;
    assert.equal(await secrets.get(USER), '2:user');
    assert.equal(dataPlane.lookups, 0);
  });

  it('begins anew where a watch breaks off or sends rubbish', async () => {
    await told(USER, '1:user');
    dataPlane.watches[0]!.response.destroy();
    await dataPlane.watched(2);
    dataPlane.watches[1]!.response.write('event: value\ndata: {"half\n\n');
    await dataPlane.watched(3);
    dataPlane.values.set(USER, '2:user');
    const second = told(USER, '2:user');
    dataPlane.tell(USER);
    await second;
  });

  it('takes what answers without being a data plane for none, and does not repeat what it says', async () => {
    const other = createServer((_, response) => response.end('canary-page'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const astray = connect({ url: `http://127.0.0.1:${port}`, token: 'canary-token' });
    try {
      await assert.rejects(astray.get(USER), {
        code: 'internal',
        message: /^(?!.*canary).*not as a data plane would$/,
      });
    } finally {
      astray.close();
      other.close();
      other.closeAllConnections();
    }
  });

  it('gives up a data plane that accepts calls and never answers, after its timeout', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const waiting = connect({ url: `http://127.0.0.1:${port}`, token: 'a', timeoutMs: 50, patienceMs: 0 });
    try {
      await assert.rejects(waiting.get(USER), (error) => error instanceof DataPlaneUnreachable && !error.absent);
    } finally {
      waiting.close();
      silent.close();
      silent.closeAllConnections();
    }
  });

  it('refuses options that make no sense', () => {
    assert.throws(() => connect({ url: 'ftp://x' }), TypeError);
    assert.throws(() => connect({ url, socketPath: '/x' }), TypeError);
  });
});

it('has the codes of the specification', () => {
  // Both ways, by the compiler: the test's body is that it compiles.
  const codes: Record<ClientErrorCode, number> = ERROR_STATUS;
  const own: Record<ErrorCode, unknown> = codes satisfies Record<ClientErrorCode, unknown>;
  assert.ok(own);
});
