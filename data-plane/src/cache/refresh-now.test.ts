import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ResolverBench } from './testing/resolver-bench.ts';

const REGION = { region: 'us-east-1' };

describe('a refresh that somebody asks for', () => {
  it('fetches what is held of a vault, or of one secret of it, and says what came of that', async () => {
    const bench = new ResolverBench({}, Math.random);
    bench.configure({ my: REGION, other: REGION });
    for (const path of ['a', 'b', 'c']) bench.vault.set(path, { value: `${path} 1`, id: '1' });
    await bench.many('{vault://my/a}', '{vault://my/b}', '{vault://other/c}', '{vault://my/missing}');
    bench.vault.set('a', { value: 'a 2', id: '2' });
    bench.vault.set('b', 'down');
    bench.vault.set('c', { value: 'c 2', id: '2' });
    bench.vault.asked.length = 0;

    const outcome = bench.resolver.refresh({ vault: 'my', spreadMs: 5000 });
    await bench.at(6);
    assert.deepEqual(await outcome, { asked: 2, refreshed: 1, changed: 1, failed: 1 });
    assert.deepEqual(bench.vault.asked.sort(), ['us-east-1 a AWSCURRENT', 'us-east-1 b AWSCURRENT']);
    assert.deepEqual(await bench.many('{vault://my/a}', '{vault://my/b}', '{vault://other/c}'), ['a 2', 'b 1', 'c 1']);

    const one = bench.resolver.refresh({ vault: 'other', paths: ['x', 'c'], spreadMs: 0 });
    await bench.at(7);
    assert.deepEqual(await one, { asked: 1, refreshed: 1, changed: 1, failed: 0 });
    const all = bench.resolver.refresh({ spreadMs: 0 });
    await bench.at(8);
    assert.deepEqual(await all, { asked: 3, refreshed: 2, changed: 0, failed: 1 });
    await assert.rejects(bench.resolver.refresh({ vault: 'no-such', spreadMs: 0 }), { code: 'unknown_vault' });
  });

  it('is spread over the time given, in batches, and no lookup waits for it', async () => {
    const bench = new ResolverBench({}, Math.random);
    bench.vault.fallback = { value: 'x', id: '1' };
    const references = Array.from({ length: 200 }, (_, index) => `{vault://aws/secret-${index}}`);
    await bench.many(...references);
    bench.vault.calls = 0;
    const outcome = bench.resolver.refresh({ vault: 'aws', spreadMs: 5000 });
    const calls: number[] = [];
    for (let second = 1; second <= 6; second++) {
      await bench.at(second);
      calls.push(bench.vault.calls);
      assert.ok(!(bench.resolver.resolve('{vault://aws/secret-7}') instanceof Promise));
    }
    assert.equal((await outcome).refreshed, 200);
    assert.ok(calls[0]! > 0 && calls[0]! < calls[4]!, `calls after each second: ${calls}`);
    assert.ok(bench.vault.calls <= 20, `${bench.vault.calls} calls for 200 secrets in 20 turns`);
  });

  it('that is asked for twice is done once, and a vault that throttles is left alone', async () => {
    const bench = new ResolverBench({}, Math.random);
    bench.vault.set('a', { value: 'x', id: '1' });
    await bench.get('{vault://aws/a}');
    bench.vault.calls = 0;
    const both = [
      bench.resolver.refresh({ vault: 'aws', spreadMs: 1000 }),
      bench.resolver.refresh({ vault: 'aws', spreadMs: 1000 }),
    ];
    await bench.at(2);
    assert.deepEqual(await Promise.all(both), Array(2).fill({ asked: 1, refreshed: 1, changed: 0, failed: 0 }));
    assert.equal(bench.vault.calls, 1);

    bench.vault.set('a', 'throttled');
    const throttled = bench.resolver.refresh({ spreadMs: 0 });
    await bench.at(2.1);
    assert.equal((await throttled).failed, 1);
    bench.vault.calls = 0;
    const paused = bench.resolver.refresh({ spreadMs: 0 });
    await bench.at(2.2);
    assert.deepEqual(await paused, { asked: 1, refreshed: 0, changed: 0, failed: 1 });
    assert.equal(bench.vault.calls, 0);
  });

  it('ends when the data plane stops', async () => {
    const bench = new ResolverBench({}, Math.random);
    bench.vault.set('a', { value: 'x' });
    await bench.get('{vault://aws/a}');
    const outcome = bench.resolver.refresh({ spreadMs: 60_000 });
    await bench.resolver.stop();
    assert.deepEqual(await outcome, { asked: 1, refreshed: 0, changed: 0, failed: 1 });
  });
});

describe('the inventory', () => {
  it('has every secret that is held or known to be missing: its version, state and age, and never its value', async () => {
    const bench = new ResolverBench();
    bench.configure({ my: { ...REGION, ttl: 10, neg_ttl: 60 } });
    bench.vault.set('db/main', { value: '{"password":"c4n4ry"}', id: 'v1' });
    bench.vault.set('db', { value: 'c4n4ry', id: 'v2' });
    bench.vault.set('far', { value: 'c4n4ry', id: 'v3' }, 'eu-west-1');
    const start = bench.clock.now();
    await bench.many(
      '{vault://my/db/main/password}',
      '{vault://my/db?version_stage=AWSPENDING}',
      '{vault://my/far?region=eu-west-1}',
      '{vault://my/gone}',
    );
    const list = () =>
      Array.from(bench.resolver.inventory(), ({ vault, state, versionId, fetchedAt, endsInMs, reference }) => {
        return { vault, state, versionId, fetchedAt, endsInMs, reference };
      });
    const seen = list().sort((a, b) => (a.reference < b.reference ? -1 : 1));
    const facts = { vault: 'my', state: 'fresh', fetchedAt: start, endsInMs: (10 + 100_000_000) * 1000 };
    assert.deepEqual(seen, [
      { ...facts, versionId: 'v1', reference: '{vault://my/db/main/}' },
      { ...facts, versionId: 'v2', reference: '{vault://my/db?version_stage=AWSPENDING}' },
      { ...facts, versionId: 'v3', reference: '{vault://my/far?region=eu-west-1}' },
      {
        vault: 'my',
        state: 'negative',
        versionId: null,
        fetchedAt: null,
        endsInMs: 60_000,
        reference: '{vault://my/gone}',
      },
    ]);
    assert.doesNotMatch(JSON.stringify(seen) + inspect([...bench.resolver.inventory()], { depth: 9 }), /c4n4ry/);
    bench.vault.set('db/main', 'down');
    await bench.at(12);
    assert.equal(list().find(({ versionId }) => versionId === 'v1')?.state, 'resurrected');
  });
});
