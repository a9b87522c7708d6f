import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Registry } from 'prom-client';
import { collectProcessMetrics } from './process-metrics.ts';

it('the event loop lag is what it is late by, without the time between two samples', async () => {
  const registry = new Registry();
  collectProcessMetrics(registry);
  const lag = async (statistic: string) => {
    const metric = registry.getSingleMetric(`vaultplane_nodejs_eventloop_lag_${statistic}_seconds`)!;
    return (await metric.get()).values[0]!.value;
  };
  /** Blocks for long enough that a sample is late, then lets the sample be taken. */
  const BLOCKED_MS = 600;
  const end = performance.now() + BLOCKED_MS;
  while (performance.now() < end);
  while ((await lag('max')) === 0) await new Promise((resolve) => setImmediate(resolve));
  const max = await lag('max');
  // A sample is due 250 ms after the one before, so between 350 and 600 ms late.
  assert.ok(max > 0.2, String(max));
  assert.ok((await lag('p50')) > 0);
  assert.ok((await lag('p99')) > 0);
  // Read and begun again.
  assert.ok((await lag('max')) < max);
  assert.equal(registry.getMetricsAsArray().filter(({ name }) => name.includes('eventloop_lag_p99')).length, 1);
});
