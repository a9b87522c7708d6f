import { createHistogram } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

const PREFIX = 'vaultplane_';
/** Between two samples of the event loop's lag, milliseconds. */
const SAMPLE_MS = 250;
/** setTimeout's longest delay. */
const NEVER_MS = 2 ** 31 - 1;

const lags = createHistogram();
let isSampling = false;

/**
 * prom-client's metrics of the process. The event loop's lag has the same names and is sampled here, four times a second:
 * prom-client's own sampling (monitorEventLoopDelay) wakes an idle process 100 times a second, and counts its period as lag.
 */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision: NEVER_MS });
  if (!isSampling) sampleLags();
  const seconds = (nanoseconds: number) => (lags.count === 0 ? 0 : nanoseconds / 1e9);
  const statistics: Array<[name: string, help: string, read: () => number]> = [
    ['min', 'The minimum recorded event loop delay.', () => lags.min],
    ['max', 'The maximum recorded event loop delay.', () => lags.max],
    ['mean', 'The mean of the recorded event loop delays.', () => lags.mean],
    ['stddev', 'The standard deviation of the recorded event loop delays.', () => lags.stddev],
    ['p50', 'The 50th percentile of the recorded event loop delays.', () => lags.percentile(50)],
    ['p90', 'The 90th percentile of the recorded event loop delays.', () => lags.percentile(90)],
    ['p99', 'The 99th percentile of the recorded event loop delays.', () => lags.percentile(99)],
  ];
  for (const [index, [statistic, help, read]] of statistics.entries()) {
    const name = `${PREFIX}nodejs_eventloop_lag_${statistic}_seconds`;
    registry.removeSingleMetric(name);
    const isLast = index === statistics.length - 1;
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        gauge.set(seconds(read()));
        // Each scrape has what came since the one before, as with prom-client.
        if (isLast) lags.reset();
      },
    });
  }
}

function sampleLags(): void {
  isSampling = true;
  let due = performance.now() + SAMPLE_MS;
  setInterval(() => {
    const now = performance.now();
    lags.record(Math.max(1, Math.round((now - due) * 1e6)));
    due = now + SAMPLE_MS;
  }, SAMPLE_MS).unref();
}
