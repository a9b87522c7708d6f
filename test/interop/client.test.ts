import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  type Client,
  ClientError,
  type ConnectOptions,
  connect,
  DataPlaneUnreachable,
  Secret,
} from '@vaultplane/client';
import { until } from '@vaultplane/testkit/until.ts';
import { Scene } from './scene.ts';

const reference = (name: string, key: string) => `{vault://aws-sm-vault/${name}/${key}}`;

describe('the client for Node.js', () => {
  let scene: Scene;
  const clients: Client[] = [];
  before(async () => {
    scene = await Scene.start();
    scene.emulator.putSecret('us-east-1', 'secret-name', { foo: 'canary-foo', snip: 'canary-snip' });
  });
  after(async () => {
    for (const client of clients) client.close();
    await scene?.stop();
  });

  function client(options: ConnectOptions = {}): Client {
    const { apiUrl: url, dataDir } = scene.dataPlane;
    const made = connect({ url, tokenFile: join(dataDir, 'api-token'), ...options });
    clients.push(made);
    return made;
  }

  /** Waits until the client answers from memory. */
  const connected = (made: Client) => until('the client hears of rotations', () => made.state === 'connected');

  it('gives one value, and several in the shape that they are asked for in', async () => {
    const secrets = client();
    const [foo, snip] = [reference('secret-name', 'foo'), reference('secret-name', 'snip')];
    assert.equal(await secrets.get(foo), 'canary-foo');
    assert.deepEqual(await secrets.getMany([snip, foo]), ['canary-snip', 'canary-foo']);
    assert.deepEqual(await secrets.getMany({ a: foo, b: snip }), { a: 'canary-foo', b: 'canary-snip' });
    assert.equal(await secrets.getMany(foo), 'canary-foo');
  });

  it('works over the Unix socket, and finds the data plane by the settings in its environment', async () => {
    const overSocket = client({ socketPath: join(scene.deployment.folder, 'dp.sock'), url: undefined as never });
    assert.equal(await overSocket.get(reference('secret-name', 'foo')), 'canary-foo');
    const program = `
      import { connect } from '@vaultplane/client';
      process.stdout.write(await connect().get('${reference('secret-name', 'foo')}'));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: join(import.meta.dirname, '..'),
      env: scene.dataPlane.env,
      timeout: 30_000,
    });
    assert.equal(stdout, 'canary-foo', 'and the program ends by itself, with the client never closed');
  });

  it('throws errors with a code of the specification and the reference, in which no value is', async () => {
    const secrets = client();
    const cases = {
      [reference('no-such', 'x')]: 'not_found',
      [reference('secret-name', 'none')]: 'key_not_found',
      '{vault://nope/x/y}': 'unknown_vault',
      '{vault://aws-sm-vault}': 'invalid_reference',
      plain: 'not_a_reference',
    };
    for (const [text, code] of Object.entries(cases)) {
      await assert.rejects(secrets.get(text), (error: unknown) => {
        assert.ok(error instanceof ClientError);
        assert.deepEqual([error.code, error.reference], [code, text]);
        return true;
      });
    }
    const found = await secrets.lookUp([reference('secret-name', 'foo'), ...Object.keys(cases)]);
    assert.deepEqual(
      found.map((one) => (one instanceof Secret ? one.value : one.code)),
      ['canary-foo', ...Object.values(cases)],
    );
    assert.doesNotMatch(`${JSON.stringify(found)} ${found.map(String)}`, /canary/);
    await assert.rejects(client({ token: 'canary-wrong-token' }).get(reference('secret-name', 'foo')), {
      code: 'bad_token',
      message: /^(?!.*canary)/,
    });
    await assert.rejects(
      secrets.get(reference('secret-name', 'foo'), { signal: AbortSignal.abort('no need') }),
      (reason) => reason === 'no need',
    );
  });

  it('answers from memory after the first use, and has each rotation pushed to it', async () => {
    scene.emulator.putSecret('us-east-1', 'pushed', { user: 'canary-u1', password: 'canary-p1' });
    const secrets = client();
    const login = { user: reference('pushed', 'user'), password: reference('pushed', 'password') };
    assert.deepEqual(await secrets.getMany(login), { user: 'canary-u1', password: 'canary-p1' });
    await connected(secrets);
    const before = await lookups();
    await until('both are covered', async () => {
      const asked = await lookups();
      await secrets.getMany(login);
      return (await lookups()) === asked;
    });
    for (let n = 0; n < 1000; n++) await secrets.getMany(login);
    assert.ok((await lookups()) - before < 100, 'a thousand lookups of two references were no requests');
    await scene.rotate('pushed', { user: 'canary-u2', password: 'canary-p2' }, login.user);
    await until('the rotation has come', async () => {
      const { user, password } = await secrets.getMany(login);
      assert.equal(user.at(-1), password.at(-1), 'never the user of one version with the password of another');
      return user === 'canary-u2';
    });
  });

  async function lookups(): Promise<number> {
    const text = await (await fetch(`${scene.dataPlane.statusUrl}/metrics`)).text();
    const lines = text.match(/^vaultplane_lookups_total\{[^}]*\} \d+/gm) ?? [];
    assert.ok(lines.length > 0, text);
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  it('tells watchers of every value and change, over a restart of the data plane, until they end it', async () => {
    scene.emulator.putSecret('us-east-1', 'watched', { foo: 'canary-w1' });
    const secrets = client();
    const told: string[] = [];
    const states: string[] = [];
    secrets.onState((state) => states.push(state));
    const end = secrets.watch([reference('watched', 'foo'), reference('watched', 'none')], (event) =>
      told.push(event instanceof Secret ? event.value : event.code),
    );
    const has = (text: string) => until(`${text} was told: ${told}`, () => told.includes(text));
    await has('canary-w1');
    await has('key_not_found');
    await scene.rotate('watched', { foo: 'canary-w2' }, reference('watched', 'foo'));
    await has('canary-w2');
    await scene.restartDataPlane();
    await scene.rotate('watched', { foo: 'canary-w3' }, reference('watched', 'foo'));
    await has('canary-w3');
    assert.deepEqual(
      told.filter((text) => text.startsWith('canary')),
      ['canary-w1', 'canary-w2', 'canary-w3'],
    );
    assert.deepEqual(states.slice(0, 3).sort(), ['connected', 'connecting', 'disconnected']);
    end();
    await scene.rotate('watched', { foo: 'canary-w4' }, reference('watched', 'foo'));
    await until(
      'it goes on being followed',
      async () => (await secrets.get(reference('watched', 'foo'))) === 'canary-w4',
    );
    assert.ok(!told.includes('canary-w4'));
  });

  it('withSecret renews what looks like wrong credentials once, and only that', async () => {
    scene.emulator.putSecret('us-east-1', 'login', { password: 'canary-old' });
    const secrets = client();
    const password = reference('login', 'password');
    await secrets.get(password);
    await connected(secrets);
    // Rotated at AWS; the data plane, without a ttl, does not know.
    scene.emulator.putSecret('us-east-1', 'login', { password: 'canary-new' });
    const used: string[] = [];
    const server = async (sent: string) => {
      used.push(sent);
      if (sent !== 'canary-new') throw Object.assign(new Error('password authentication failed'), { code: '28P01' });
      return 'rows';
    };
    assert.equal(await secrets.withSecret({ password }, (login) => server(login.password)), 'rows');
    assert.deepEqual(used, ['canary-old', 'canary-new']);
    used.length = 0;
    const wrong = Object.assign(new Error('no'), { status: 401 });
    await assert.rejects(
      secrets.withSecret(password, async (sent) => {
        used.push(sent);
        throw wrong;
      }),
      wrong,
    );
    assert.deepEqual(used, ['canary-new'], 'the values are the same: trying again would only lock the account');
    used.length = 0;
    const other = new Error('the network is down');
    await assert.rejects(
      secrets.withSecret(password, async (sent) => {
        used.push(sent);
        throw other;
      }),
      other,
    );
    assert.deepEqual(used, ['canary-new']);
    scene.emulator.putSecret('us-east-1', 'login', { password: 'canary-newest' });
    const answer = await secrets.withSecret(
      password,
      async (sent) => new Response(sent, { status: sent === 'canary-newest' ? 200 : 401 }),
    );
    assert.equal(await answer.text(), 'canary-newest');
    const before = calls('login');
    await Promise.allSettled(
      Array.from({ length: 50 }, () => secrets.withSecret(password, () => Promise.reject(wrong))),
    );
    assert.ok(calls('login') - before <= 2, 'fifty failures at the same time refresh together');
  });

  const calls = (secret: string) => scene.emulator.calls({ operation: 'GetSecretValue', secret }).length;

  it('waits for a data plane that is just starting again, and says so when none comes', async () => {
    const secrets = client({ patienceMs: 60_000 });
    await scene.process.stop();
    const pending = secrets.get(reference('secret-name', 'foo'));
    await assert.rejects(client({ patienceMs: 0 }).get(reference('secret-name', 'foo')), (error) => {
      assert.ok(error instanceof DataPlaneUnreachable);
      assert.deepEqual([error.code, error.absent], ['unavailable', true]);
      return true;
    });
    const stop = new AbortController();
    const cut = client({ patienceMs: 60_000 }).get(reference('secret-name', 'foo'), { signal: stop.signal });
    stop.abort('enough');
    await assert.rejects(cut, (reason) => reason === 'enough');
    scene.process = await scene.dataPlane.start();
    assert.equal(await pending, 'canary-foo');
  });

  it('gives what it holds while the data plane is gone, but not beyond its expiry, and never where it says nothing of one', async () => {
    await scene.controlPlane.putVault('short', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '3' });
    await scene.dataPlane.caughtUpWith(scene.controlPlane);
    const secrets = client({ patienceMs: 0 });
    const rotating = '{vault://short/secret-name/foo}';
    const lasting = reference('secret-name', 'foo');
    await secrets.getMany([rotating, lasting]);
    await connected(secrets);
    await scene.process.kill('SIGKILL');
    await until('the client knows', () => secrets.state === 'disconnected');
    assert.equal(await secrets.get(lasting), 'canary-foo');
    // The value's age is the data plane's word; whenever the client stops giving it, that must be over.
    await until(
      'the value has expired',
      () =>
        secrets.get(rotating).then(
          () => false,
          (error) => error instanceof DataPlaneUnreachable,
        ),
      15_000,
    );
    assert.equal(await secrets.get(lasting), 'canary-foo');
    await assert.rejects(secrets.get(lasting, { refresh: true }), DataPlaneUnreachable);
    scene.process = await scene.dataPlane.start();
    // Killed as it was, it may start with the configuration of a second before.
    await scene.dataPlane.caughtUpWith(scene.controlPlane);
    await until('the client is back', () => secrets.state === 'connected');
    assert.equal(await secrets.get(rotating), 'canary-foo');
  });

  it('goes on through an outage of AWS, and shows it', async () => {
    await scene.controlPlane.putVault('outage', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '0.5' });
    await scene.dataPlane.caughtUpWith(scene.controlPlane);
    const secrets = client();
    const text = '{vault://outage/secret-name/foo}';
    const states = new Set<string>();
    const end = secrets.watch(text, (event) => states.add(event instanceof Secret ? event.state : event.code));
    await until('the value is there', () => states.has('fresh'));
    await scene.emulator.stop();
    await until('the outage shows', () => states.has('resurrected'));
    assert.equal(await secrets.get(text), 'canary-foo');
    scene.emulator.putSecret('us-east-1', 'secret-name', { foo: 'canary-after', snip: 'canary-snip' });
    await scene.emulator.start();
    await until('the new value has come', async () => (await secrets.get(text)) === 'canary-after');
    assert.ok(
      states.has('fresh') && ![...states].some((state) => !['fresh', 'stale', 'resurrected'].includes(state)),
      [...states].join(),
    );
    end();
  });

  it('follows more references than one request can name, and forgets those not used for longest', async () => {
    const names = Array.from({ length: 400 }, (_, index) => `many-${String(index).padStart(3, '0')}-${'x'.repeat(40)}`);
    for (const name of names) scene.emulator.putSecret('us-east-1', name, `canary-${name}`);
    const secrets = client({ maxHeld: 300 });
    const references = names.map((name) => `{vault://aws-sm-vault/${name}}`);
    const found = await secrets.getMany(references);
    assert.deepEqual(
      found,
      names.map((name) => `canary-${name}`),
    );
    await connected(secrets);
    const last = references.at(-1)!;
    scene.emulator.putSecret('us-east-1', names.at(-1)!, 'canary-renewed');
    await scene.dataPlane.resolve(last, { refresh: true });
    await until('the rotation has come', async () => (await secrets.get(last)) === 'canary-renewed');
    assert.equal(await secrets.get(references[0]!), `canary-${names[0]}`);
  });

  it('takes a new token from its file', async () => {
    const tokenFile = join(scene.deployment.folder, 'own-token');
    writeFileSync(tokenFile, scene.dataPlane.token);
    const secrets = client({ tokenFile });
    await secrets.get(reference('secret-name', 'foo'));
    await scene.process.stop();
    writeFileSync(join(scene.dataPlane.dataDir, 'api-token'), 'another-token-0123456789');
    writeFileSync(tokenFile, 'another-token-0123456789');
    scene.process = await scene.dataPlane.start();
    await until('connected with the new one', () => secrets.state === 'connected');
    assert.ok(await secrets.get(reference('secret-name', 'snip')));
  });

  it('is closed for good, and holds nothing then', async () => {
    const secrets = client();
    await secrets.get(reference('secret-name', 'foo'));
    secrets.close();
    await assert.rejects(secrets.get(reference('secret-name', 'foo')), /this client has been closed/);
    assert.equal(secrets.state, 'idle');
  });

  it('has written no value anywhere', () => {
    assert.deepEqual(scene.deployment.filesWith(['canary-']), []);
  });
});
