import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FuzzTarget, findingOf, fuzz } from './fuzz-target.ts';
import { FUZZ_TARGETS } from './targets.ts';

/** A short run for every `npm test`; `npm run fuzz` is the long one. */
const SHORT: Record<string, number> = {
  references: 30_000,
  values: 4_000,
  settings: 1_000,
  engine: 100,
  policy: 300,
  'upstream-policy': 4_000,
  bodies: 60,
};

describe('random inputs', () => {
  for (const target of FUZZ_TARGETS) {
    const inputs = SHORT[target.name]!;
    it(`${inputs} ${target.inputs} of ${target.name} find nothing`, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const { tried, finding } = await fuzz(target, { inputs, forMs: Infinity, seed });
      assert.equal(finding, undefined);
      assert.equal(tried, inputs);
    });
  }
});

describe('a fuzz run', () => {
  const odd: FuzzTarget = {
    name: 'odd',
    inputs: 'numbers',
    usual: 100,
    slice: 10,
    attempt: (seed, count) => findingOf(fc.nat(), (n) => assert.ok(n < 1000, 'too big'), seed, count),
  };

  it('tells the smallest input that it found, and the seed that finds it again', async () => {
    const first = await fuzz(odd, { inputs: 1000, forMs: Infinity, seed: 1 });
    assert.match(first.finding!, /^1000: .*too big[\s\S]*\(seed \d+, 10 numbers\)$/);
    assert.deepEqual(await fuzz(odd, { inputs: 1000, forMs: Infinity, seed: 1 }), first);
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const limits = { inputs: Infinity, forMs: Infinity, seed: 1, signal: stop.signal, onProgress: () => stop.abort() };
    const result = await fuzz({ ...odd, attempt: () => undefined }, limits);
    assert.deepEqual(result, { tried: 10, finding: undefined });
  });

  const command = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'run.ts'), ...args], { encoding: 'utf8' });

  it('is a command that prints its counts and ends with 0', () => {
    const run = command('references', '--inputs', '50', '--seed', '7', '--json');
    assert.equal(run.status, 0, run.stderr);
    const [result] = JSON.parse(run.stdout) as Array<Record<string, unknown>>;
    assert.deepEqual(
      { ...result, seconds: 0 },
      {
        name: 'references',
        tried: 50,
        inputs: 'inputs',
        seconds: 0,
        seed: 7,
        finding: null,
      },
    );
  });

  it('is called wrongly with what it does not know', () => {
    for (const args of [['nonsense'], ['--minutes', 'soon']]) {
      assert.equal(command(...args).status, 2, args.join(' '));
    }
  });
});
