import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { OUTAGES } from '../rehearsal/outage-switch.ts';
import type { StatusFacts } from './status-facts.ts';

/** Metrics in Prometheus' text form. */
export interface Metrics {
  contentType: string;
  text(): Promise<string>;
}

/**
 * The metrics of a data plane; every name begins with vaultplane_. They are read from the same facts as /status, when
 * they are asked for: nothing is counted twice, and a lookup pays for none of it.
 */
export function createMetrics(facts: () => StatusFacts): Metrics {
  const registry = new Registry();
  let current = facts();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'vaultplane_' });

  const gauge = (
    name: string,
    help: string,
    labelNames: string[],
    collect: (metric: Gauge, now: StatusFacts) => void,
  ) => {
    const metric: Gauge = new Gauge({
      name: `vaultplane_${name}`,
      help,
      labelNames,
      registers,
      collect: () => collect(metric, current),
    });
  };
  // What counts is elsewhere: the counter is set to what stands there.
  const counter = (
    name: string,
    help: string,
    labelNames: string[],
    read: (now: StatusFacts) => Array<[Record<string, string>, number]>,
  ) => {
    const metric: Counter = new Counter({
      name: `vaultplane_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        metric.reset();
        for (const [labels, value] of read(current)) metric.inc(labels, value);
      },
    });
  };

  gauge('build_info', 'Always 1; the labels say what runs.', ['version', 'node'], (metric, now) =>
    metric.set({ version: now.version, node: process.version }, 1),
  );
  gauge('config_version', 'The version of the configuration in use; 0 without one.', [], (metric, now) =>
    metric.set(now.config.version ?? 0),
  );
  gauge('config_age_seconds', 'How long ago this version reached this data plane.', [], (metric, now) =>
    metric.set(now.config.age_s ?? 0),
  );
  gauge('drill_active', '1 while this data plane is cut off on purpose.', ['outage'], (metric, now) => {
    for (const outage of OUTAGES) metric.set({ outage }, now.drill?.outage === outage ? 1 : 0);
  });
  gauge('control_plane_connected', '1 while there is a link to a control plane.', [], (metric, now) =>
    metric.set(now.control_plane.connected ? 1 : 0),
  );
  gauge('control_plane_last_contact_seconds', 'When a control plane was last heard, in Unix time.', [], (metric, now) =>
    metric.set(now.control_plane.last_contact === null ? 0 : Date.parse(now.control_plane.last_contact) / 1000),
  );
  gauge('references', 'References held, by state.', ['state'], (metric, now) => {
    for (const [state, count] of Object.entries(now.references)) metric.set({ state }, count);
  });
  gauge('secrets_restored', 'Secrets that were held again from disk after the start.', [], (metric, now) =>
    metric.set(now.secrets_on_disk.restored),
  );
  gauge('disk_problem', '1 while something is wrong with a file of data_dir.', ['file'], (metric, now) => {
    metric.set({ file: 'config.snapshot' }, now.config.disk_problem === null ? 0 : 1);
    metric.set({ file: 'settings.cache' }, now.settings.disk_problem === null ? 0 : 1);
    metric.set({ file: 'references' }, now.prefetch.disk_problem === null ? 0 : 1);
    metric.set({ file: 'secrets.cache' }, now.secrets_on_disk.problem === null ? 0 : 1);
  });
  gauge('prefetch', 'References that are fetched in advance, by what came of it.', ['outcome'], (metric, now) => {
    metric.set({ outcome: 'had' }, now.prefetch.had);
    metric.set({ outcome: 'waiting' }, now.prefetch.waiting);
    metric.set({ outcome: 'failed' }, now.prefetch.failed.length);
  });
  gauge('old_settings', 'Settings that started from their last known value.', [], (metric, now) =>
    metric.set(now.settings.old.length),
  );
  gauge('lookups_waiting', 'Lookups that wait for a vault now.', [], (metric, now) => metric.set(now.lookups.waiting));
  gauge('watchers', 'Open watches.', [], (metric, now) => metric.set(now.watchers));
  counter('aws_calls_total', 'Calls to AWS.', [], (now) => [[{}, now.aws.calls]]);
  counter('aws_errors_total', 'Calls to AWS that failed.', [], (now) => [[{}, now.aws.errors]]);
  counter('aws_throttled_total', 'Calls that AWS throttled.', [], (now) => [[{}, now.aws.throttled]]);
  counter(
    'lookups_total',
    'Lookups by applications: answered from memory, after waiting for a vault, or not.',
    ['result'],
    (now) => [
      [{ result: 'immediate' }, now.lookups.immediate],
      [{ result: 'waited' }, now.lookups.waited],
      [{ result: 'error' }, Object.values(now.lookups.errors).reduce((sum, count) => sum + count, 0)],
    ],
  );
  counter('lookup_errors_total', 'Lookups that failed, by code.', ['code'], (now) =>
    Object.entries(now.lookups.errors).map(([code, count]) => [{ code }, count]),
  );
  counter('refusals_total', 'Calls and connections that were refused, by reason.', ['reason'], (now) =>
    Object.entries(now.refusals).map(([reason, count]) => [{ reason }, count]),
  );
  return {
    contentType: registry.contentType,
    text() {
      current = facts();
      return registry.metrics();
    },
  };
}
