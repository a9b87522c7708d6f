import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResolverBench } from './testing/resolver-bench.ts';

const DAY_SECONDS = 86_400;
const REFERENCE = '{vault://aws/a}';

describe('an answer that was given', () => {
  it('is given again, the very same, for as long as nothing changes: also over months, where it has no end', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    await bench.get(REFERENCE);
    for (const days of [0, 1, 24, 25, 49, 50, 51, 100, 200, 365, 4000]) {
      await bench.at(days * DAY_SECONDS);
      const answer = bench.resolver.resolve(REFERENCE);
      assert.ok('value' in answer && answer.value === 'x', `after ${days} days`);
      assert.equal(bench.resolver.resolve(REFERENCE), answer, `after ${days} days`);
    }
    assert.equal(bench.vault.calls, 1);
  });

  it('is given for no longer than its state lasts, to the millisecond, however long the program runs', async () => {
    const settings = { vault_aws_ttl: 100, vault_aws_resurrect_ttl: 50 };
    for (const days of [0, 30, 400]) {
      // The latest refresh that a jitter makes: what is held is stale before.
      const bench = new ResolverBench(settings, () => 0.999_999);
      await bench.at(days * DAY_SECONDS);
      bench.vault.fallback = { value: 'x' };
      await bench.get(REFERENCE);
      bench.vault.fallback = 'down';
      const stateAfter = async (seconds: number) => {
        await bench.at(days * DAY_SECONDS + seconds);
        const first = await bench.outcome(REFERENCE);
        if ('state' in first) assert.equal(await bench.outcome(REFERENCE), first, 'it is not ready');
        return 'state' in first ? first.state : first.code;
      };
      assert.equal(await stateAfter(99.999), 'fresh');
      assert.equal(await stateAfter(100), 'stale');
      assert.equal(await stateAfter(111), 'resurrected');
      assert.equal(await stateAfter(149.999), 'resurrected');
      assert.equal(await stateAfter(150), 'unavailable');
    }
  });

  it('ends when it would have ended where others are given for the first time meanwhile, weeks after the start', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 2 * DAY_SECONDS }, () => 0.999_999);
    bench.vault.fallback = { value: 'x' };
    await bench.get('{vault://aws/first}');
    await bench.at(24 * DAY_SECONDS);
    await bench.get(REFERENCE);
    await bench.at(25 * DAY_SECONDS);
    await bench.get('{vault://aws/b}');
    await bench.at(26 * DAY_SECONDS - 1);
    assert.equal((await bench.resolver.resolve(REFERENCE)).state, 'fresh');
    await bench.at(26 * DAY_SECONDS);
    assert.equal((await bench.resolver.resolve(REFERENCE)).state, 'stale');
  });
});
