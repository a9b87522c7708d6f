import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ResolverBench } from './testing/resolver-bench.ts';

const MOST = 90;
const SECRETS = 200;
const secret = fc.nat(SECRETS - 1);

/** Lookups: single ones all over, and runs through many secrets, so that room is needed often and for many. */
const lookups = fc
  .array(
    fc.oneof(
      fc.array(secret, { maxLength: 40 }),
      fc.tuple(secret, fc.nat(150)).map(([from, count]) => Array.from({ length: count }, (_, index) => from + index)),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.flat().map((number) => number % SECRETS));

describe('the cache, when it is full', () => {
  it('holds exactly those secrets that were looked up last, by whichever of their references', async () => {
    await fc.assert(
      fc.asyncProperty(lookups, async (numbers) => {
        const bench = new ResolverBench({ cache_max_entries: MOST });
        bench.vault.fallback = { value: 'x' };
        const expected = new Set<string>();
        for (const [index, number] of numbers.entries()) {
          const reference = `{vault://aws/secret-${number}}`;
          await bench.get(index % 3 === 0 ? `{vault://aws/secret-${number}/}` : reference);
          expected.delete(reference);
          expected.add(reference);
          if (expected.size > MOST) expected.delete(expected.values().next().value!);
        }
        const held = [...bench.resolver.inventory()].map(({ reference }) => reference);
        assert.deepEqual(held.sort(), [...expected].sort());
        await bench.resolver.stop();
      }),
      { numRuns: 50 },
    );
  });
});
