import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { type Resolver, type ResolverSettings, startResolver } from './resolver.ts';

/** Longer than the usual ones: a machine that is busy with other tests is no outage. */
const PATIENT = { upstream_connect_timeout: 20, upstream_timeout: 60 };

describe('a resolver over AWS', () => {
  let emulator: Emulator;
  const started: Resolver[] = [];
  before(async () => {
    emulator = await startEmulator();
  });
  afterEach(async () => {
    for (const resolver of started.splice(0)) await resolver.stop();
    emulator.clearOrders({ release: true });
    emulator.clearSecrets();
    emulator.resetCalls();
  });
  after(() => emulator.stop());

  const start = (settings: Partial<ResolverSettings> = {}, clock = systemClock, ownListen?: string) => {
    const resolver = startResolver({
      clock,
      log: silentLog,
      env: emulator.environment,
      settings: { cache_max_entries: 1000, cache_max_bytes: 1_000_000, ...PATIENT, ...settings },
      random: () => 0.5,
      ownListen,
    });
    started.push(resolver);
    return resolver;
  };

  it('resolves every example of the seed', async () => {
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'bar', snip: 'snap' });
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'bar2', snip: 'snap2' });
    emulator.putSecret('us-east-1', '/secret/key', 'named by a path');
    emulator.putSecret('us-east-1', 'secret/path//aaa', { key: 'deep' });
    const resolver = start();
    const examples = {
      '{vault://aws/secret-name/foo}': 'bar2',
      '{vault://aws/secret-name/snip}': 'snap2',
      '{vault://aws/secret-name/foo#1}': 'bar2',
      '{vault://aws/secret-name/foo#2}': 'bar',
      '{vault://aws/%2Fsecret/key}': 'named by a path',
      '{vault://aws/secret/path/%2Faaa/key}': 'deep',
    };
    const results = await resolver.resolveMany(Object.keys(examples));
    assert.deepEqual(
      results.map((result) => (result as { value: string }).value),
      Object.values(examples),
    );
  });

  it('asks once for a herd of a thousand, and counts its calls', async () => {
    emulator.putSecret('us-east-1', 'db', { k: 'v' });
    const resolver = start();
    const values = await Promise.all(
      Array.from({ length: 1000 }, async () => (await resolver.resolve('{vault://aws/db/k}')).value),
    );
    assert.deepEqual(new Set(values), new Set(['v']));
    assert.equal(emulator.counts().GetSecretValue, 1);
    assert.deepEqual(resolver.awsCounts(), { calls: 1, errors: 0, throttled: 0 });
  });

  it('refreshes fifty secrets in three calls', async () => {
    const clock = new FakeClock(Date.now());
    const references = Array.from({ length: 50 }, (_, index) => `{vault://aws/s${index}}`);
    for (let index = 0; index < 50; index++) emulator.putSecret('us-east-1', `s${index}`, 'old');
    const resolver = start({ vault_aws_ttl: 10 }, clock);
    await resolver.resolveMany(references);
    for (let index = 0; index < 50; index++) emulator.putSecret('us-east-1', `s${index}`, 'new');
    emulator.resetCalls();
    await clock.advance(10_100);
    await emulator.waitForCalls({ operation: 'BatchGetSecretValue' }, 3, { ended: true });
    while (resolver.counts().stale > 0) await new Promise((resolve) => setImmediate(resolve));
    const values = (await resolver.resolveMany(references)).map((result) => (result as { value: string }).value);
    assert.deepEqual(new Set(values), new Set(['new']));
    assert.deepEqual(emulator.counts(), { BatchGetSecretValue: 3 });
  });

  it('cuts short a call that hangs when it stops', async () => {
    emulator.order({ behaviour: { kind: 'hang' } });
    const resolver = start();
    const outcome = resolver.resolveMany(['{vault://aws/db}']);
    await emulator.waitForCalls({ operation: 'GetSecretValue' });
    await resolver.stop();
    const [answer] = await outcome;
    assert.equal((answer as VaultplaneError).code, 'unavailable');
    await emulator.waitForCalls({ operation: 'GetSecretValue' }, 1, { ended: true });
  });

  it('refuses to ask itself, whichever setting leads there', async () => {
    const resolver = start({}, systemClock, new URL(emulator.url).host);
    const [answer] = await resolver.resolveMany(['{vault://aws/db}']);
    assert.ok(answer instanceof VaultplaneError);
    assert.equal(answer.code, 'unavailable');
    assert.match(answer.message, /api_listen.*AWS_ENDPOINT_URL/);
    assert.equal(emulator.calls().length, 0);
  });

  it('says when to ask again where AWS can not be reached', async () => {
    emulator.order({ behaviour: { kind: 'cut' } });
    const resolver = start();
    const [answer] = await resolver.resolveMany(['{vault://aws/db}']);
    assert.ok(answer instanceof VaultplaneError && answer.code === 'unavailable');
    assert.ok(answer.retryAfterSeconds! >= 1);
  });

  it('loads nothing of the AWS SDK for vaults of other types', async () => {
    const { spawn } = await import('node:child_process');
    const script = `
      import { startResolver } from ${JSON.stringify(new URL('resolver.ts', import.meta.url).href)};
      import { systemClock } from '@vaultplane/platform/time/clock.ts';
      import { silentLog } from '@vaultplane/platform/logging/log.ts';
      const resolver = startResolver({ clock: systemClock, log: silentLog, env: { A: 'x' }, settings: { cache_max_entries: 10, cache_max_bytes: 10000 } });
      const { value } = await resolver.resolve('{vault://env/a}');
      const loaded = Object.keys((await import('node:module')).default._cache).filter((name) => /aws-sdk|smithy/.test(name));
      console.log(value, loaded.length);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.pipe(process.stderr);
    await once(child, 'close');
    assert.equal(out.trim(), 'x 0');
  });
});
