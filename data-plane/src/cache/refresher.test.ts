import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResolverBench } from './testing/resolver-bench.ts';

const names = (count: number) => Array.from({ length: count }, (_, index) => `{vault://aws/s${index}}`);

describe('refreshing', () => {
  it('takes what is due together in one call', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.fallback = { value: 'x' };
    await bench.many(...names(15));
    await bench.at(10.5);
    assert.deepEqual(bench.vault.batches, [15, 15]);
  });

  it('draws what is due a moment later into the same call, though jitter holds them apart', async () => {
    let turn = 0;
    const bench = new ResolverBench({ vault_aws_ttl: 10 }, () => (turn++ % 10) / 10);
    bench.vault.fallback = { value: 'x' };
    await bench.many(...names(10));
    await bench.at(11.5);
    assert.ok(bench.vault.calls <= 4, `${bench.vault.calls} calls`);
    assert.equal(bench.vault.asked.length, 20);
  });

  it('fills a call that goes out anyway with what is due next, within the jitter of its ttl', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 300 }, Math.random);
    bench.vault.fallback = { value: 'x' };
    await bench.many(...names(200));
    const [first] = bench.vault.batches.splice(0);
    assert.equal(first, 200);
    await bench.at(3300);
    assert.ok(Math.max(...bench.vault.batches) >= 20, `the largest call asked for ${Math.max(...bench.vault.batches)}`);
    // Some twelve rounds, of ten full calls each at best; each secret by itself would be two thousand and more.
    assert.ok(bench.vault.calls <= 250, `${bench.vault.calls} calls for 200 secrets in eleven ttls`);
    assert.ok(bench.vault.asked.length >= 200 * 10, `${bench.vault.asked.length} fetches`);
  });

  it('is jittered by ten parts in a hundred', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 1000 }, Math.random);
    bench.vault.fallback = { value: 'x' };
    for (const name of names(50)) await bench.get(name);
    await bench.at(899);
    assert.equal(bench.vault.asked.length, 50);
    await bench.at(1000);
    const half = bench.vault.asked.length - 50;
    assert.ok(half > 8 && half < 42, `${half} of 50 were refreshed by the ttl itself`);
    await bench.at(1101);
    assert.equal(bench.vault.asked.length, 100);
  });

  it('that succeeds leaves nothing behind of failures before: the value is stale again, and not resurrected', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 100 }, () => 0.999_999);
    const state = async () => (await bench.resolver.resolve('{vault://aws/a}')).state;
    bench.vault.fallback = { value: 'x' };
    assert.equal(await state(), 'fresh');
    bench.vault.fallback = 'down';
    await bench.at(110);
    assert.equal(await state(), 'resurrected');
    bench.vault.fallback = { value: 'y' };
    await bench.at(115);
    assert.equal(await state(), 'fresh');
    const calls = bench.vault.calls;
    await bench.at(220);
    assert.equal(await state(), 'stale');
    assert.equal(bench.vault.calls, calls, 'it was refreshed before its time');
  });

  it('keeps one timer, however many secrets there are', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 }, Math.random);
    bench.vault.fallback = { value: 'x' };
    for (const name of names(200)) await bench.get(name);
    assert.equal(bench.clock.pending, 1);
    await bench.at(100);
    assert.equal(bench.clock.pending, 1);
  });

  it('leaves a region that throttles alone as a whole, and others not', async () => {
    const bench = new ResolverBench();
    bench.configure({ us: { region: 'us-east-1', ttl: 10 }, eu: { region: 'eu-west-1', ttl: 10 } });
    bench.vault.fallback = { value: 'x' };
    for (const name of ['a', 'b', 'c', 'd']) {
      await bench.get(`{vault://us/${name}}`);
      await bench.at(bench.vault.calls * 2);
    }
    await bench.get('{vault://eu/a}');
    for (const name of ['a', 'b', 'c', 'd']) bench.vault.set(name, 'throttled', 'us-east-1');
    const before = bench.vault.calls;
    await bench.at(70);
    const asked = bench.vault.asked.slice(before);
    const throttled = asked.filter((line) => line.startsWith('us-east-1')).length;
    assert.ok(throttled <= 12, `a throttling region was asked ${throttled} times in a minute for 4 secrets`);
    assert.ok(asked.filter((line) => line.startsWith('eu-west-1')).length >= 5);
    assert.deepEqual(await bench.many('{vault://us/a}', '{vault://us/d}'), ['x', 'x']);
    for (const name of ['a', 'b', 'c', 'd']) bench.vault.set(name, { value: 'y' }, 'us-east-1');
    await bench.at(140);
    assert.deepEqual(await bench.many('{vault://us/a}', '{vault://us/d}'), ['y', 'y']);
  });

  it('keeps nothing beyond its end while its region is left alone for the sake of others', async () => {
    for (let ttl = 60; ttl <= 160; ttl += 10) {
      const bench = new ResolverBench();
      const region = 'us-east-1';
      bench.configure({ us: { region, ttl, resurrect_ttl: 0 }, other: { region, ttl: 5, resurrect_ttl: 1000 } });
      bench.vault.fallback = { value: 'x' };
      await bench.many('{vault://us/a}', '{vault://other/b}');
      bench.vault.fallback = 'throttled';
      await bench.at(ttl - 1);
      assert.equal(bench.resolver.cacheUsage().entries, 2);
      await bench.at(ttl);
      assert.equal(bench.resolver.cacheUsage().entries, 1, `after ${ttl} s`);
    }
  });

  for (const changing of [false, true]) {
    it(`leaves it alone for lookups of ever other secrets too, ${changing ? 'though the configuration changes' : 'all the time'}`, async () => {
      const bench = new ResolverBench();
      bench.vault.fallback = 'throttled';
      for (let second = 0; second < 600; second++) {
        await bench.at(second);
        if (changing || second === 0) bench.configure({ us: { region: 'us-east-1', ttl: second } });
        assert.equal(await bench.get(`{vault://us/s${second}}`), 'unavailable');
      }
      // Every five seconds, but for the first few.
      assert.ok(bench.vault.calls <= 125, `${bench.vault.calls} calls in ten minutes`);
      assert.ok(bench.vault.calls >= 60, `only ${bench.vault.calls} calls in ten minutes`);
      bench.vault.fallback = { value: 'x' };
      await bench.at(606);
      assert.deepEqual(await bench.many('{vault://us/a}', '{vault://us/b}'), ['x', 'x']);
      assert.equal(await bench.get('{vault://us/c}'), 'x');
    });
  }

  it('makes a bounded number of calls for lookups of what was never held while the vault is down', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = 'down';
    for (let tenth = 0; tenth < 600; tenth++) {
      await bench.at(tenth / 10);
      assert.equal(await bench.get('{vault://aws/a}'), 'unavailable');
    }
    assert.ok(bench.vault.calls <= 18, `${bench.vault.calls} calls in a minute`);
    bench.vault.fallback = { value: 'x' };
    await bench.at(65.1);
    assert.equal(await bench.get('{vault://aws/a}'), 'x', 'and asks again within seconds of its return');
  });

  it('holds up no lookup for one bad moment', async () => {
    const bench = new ResolverBench();
    for (const failure of ['down', 'throttled'] as const) {
      bench.vault.set(failure, failure);
      assert.equal(await bench.get(`{vault://aws/${failure}}`), 'unavailable');
      bench.vault.set(failure, { value: 'x' });
      assert.equal(await bench.get(`{vault://aws/${failure}}`), 'x');
    }
  });

  it('asks once for what a throttled region refused at first and then gave to another', async () => {
    const bench = new ResolverBench();
    bench.configure({ one: { role_session_name: 'one' }, two: { role_session_name: 'two' } });
    bench.vault.set('a', 'throttled');
    bench.vault.turns = 1;
    for (let round = 0; round < 2; round++) assert.equal(await bench.get('{vault://two/a}'), 'unavailable');
    bench.vault.set('c', { value: 'x' });
    await Promise.all(Array.from({ length: 3 }, () => bench.many('{vault://two/c}', '{vault://one/c}')));
    assert.equal(bench.vault.mostInFlight, 1);
  });

  it('forgets a value at the end of its resurrect_ttl, without a lookup', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10, vault_aws_resurrect_ttl: 20 });
    bench.vault.fallback = { value: 'x' };
    await bench.get('{vault://aws/a}');
    bench.vault.fallback = 'down';
    await bench.at(29.9);
    assert.equal(bench.resolver.counts().resurrected, 1);
    await bench.at(30.1);
    assert.deepEqual(bench.resolver.counts(), { fresh: 0, stale: 0, resurrected: 0, negative: 0 });
    assert.equal(bench.clock.pending, 0);
  });

  it('forgets a value at that time also while a refresh of it is under way', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10, vault_aws_resurrect_ttl: 2 });
    bench.vault.fallback = { value: 'x' };
    await bench.get('{vault://aws/a}');
    bench.vault.gate = new Promise(() => {});
    await bench.at(11);
    assert.equal(bench.resolver.counts().stale, 1);
    await bench.at(12.1);
    assert.equal(bench.resolver.counts().stale, 0);
  });
});

describe('the cache', () => {
  it('gives up the least recently used secret when there are too many', async () => {
    const bench = new ResolverBench({ cache_max_entries: 3 });
    bench.vault.fallback = { value: 'x' };
    for (const name of ['a', 'b', 'c', 'a', 'd']) await bench.get(`{vault://aws/${name}}`);
    assert.equal(bench.resolver.counts().fresh, 3);
    const calls = bench.vault.calls;
    for (const name of ['a', 'c', 'd']) await bench.get(`{vault://aws/${name}}`);
    assert.equal(bench.vault.calls, calls);
    await bench.get('{vault://aws/b}');
    assert.equal(bench.vault.calls, calls + 1);
  });

  it('keeps within its bytes, and serves what is too big for it all the same', async () => {
    const bench = new ResolverBench({ cache_max_bytes: 10_000 });
    bench.vault.fallback = { value: 'x'.repeat(4000) };
    for (const name of ['a', 'b', 'c']) await bench.get(`{vault://aws/${name}}`);
    assert.equal(bench.resolver.counts().fresh, 2);
    bench.vault.fallback = { value: 'x'.repeat(20_000) };
    assert.equal((await bench.get('{vault://aws/big}')).length, 20_000);
    assert.equal((await bench.get('{vault://aws/big/}')).length, 20_000);
  });

  it('that is smaller than what is asked for at once still makes one call a secret for all who ask', async () => {
    const bench = new ResolverBench({ cache_max_entries: 3 });
    bench.vault.fallback = { value: 'x' };
    bench.vault.turns = 1;
    await bench.get('{vault://aws/s0}');
    const lookups = [1, 2, 3].map(() => bench.resolver.resolveMany(names(6), { refresh: true }));
    for (const outcomes of await Promise.all(lookups)) assert.ok(outcomes.every((outcome) => 'value' in outcome));
    assert.deepEqual(bench.vault.batches, [1, 6]);
    assert.equal(bench.resolver.counts().fresh, 3);
  });

  it('does not grow with references that name nothing', async () => {
    const bench = new ResolverBench({ cache_max_entries: 10, vault_aws_neg_ttl: 3600 });
    for (const name of names(300)) await bench.get(name);
    assert.ok(bench.resolver.counts().negative <= 10);
  });
});
