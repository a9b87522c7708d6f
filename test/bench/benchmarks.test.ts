import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runBenchmark } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';

describe('a benchmark', () => {
  it('has a name of its own', () => {
    assert.equal(new Set(BENCHMARKS.map(({ name }) => name)).size, BENCHMARKS.length);
  });

  for (const benchmark of BENCHMARKS) {
    it(`named ${benchmark.name} runs, is answered rightly, and gives every figure that has a target`, {
      timeout: 300_000,
    }, async (t) => {
      const rows = await runBenchmark(benchmark, 1, {
        signal: t.signal,
        note() {},
        leaveOut: (text) => t.diagnostic(`left out: ${text}`),
        tiny: true,
        only: '',
      });
      assert.ok(rows.length > 0);
      // How good a figure is is not judged here: the machine is busy with other tests.
      for (const { vaultplane, case: name, metric } of rows) assert.ok(vaultplane.median >= 0, `${name}: ${metric}`);
    });
  }
});
