import { X509Certificate } from 'node:crypto';
import { diagnostics } from '@vaultplane/platform/logging/diagnostics.ts';
import { collectProcessMetrics } from '@vaultplane/platform/process-metrics.ts';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { HeldSecret } from '../cache/inventory.ts';
import type { CallCounts } from '../cache/resolver.ts';
import type { FetchCounts } from '../cache/upstream.ts';
import type { AnsweredCounts } from '../endpoints/lookups.ts';
import { OUTAGES } from '../fault-injection/outage-switch.ts';
import type { StatusFacts } from './status-facts.ts';
import type { UpstreamDurations } from './upstream-durations.ts';

/** Metrics in Prometheus' text form. */
export interface Metrics {
  contentType: string;
  text(): Promise<string>;
  /** What there is, without what it says now. */
  families(): Array<{ name: string; help: string; type: string }>;
}

export interface MetricSources {
  facts: () => StatusFacts;
  answered: () => AnsweredCounts;
  fetches: () => Readonly<FetchCounts>;
  cache: () => { entries: number; bytes: number };
  inventory: () => Iterable<HeldSecret>;
  /** The cluster link's own certificate (PEM). */
  certificate: () => Promise<string>;
  /** Milliseconds since 1970. */
  now: () => number;
  /** metrics_secret_names: whether secrets are told of by name. */
  secretNames: boolean;
}

const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What is held, summed up for one scrape. */
interface HeldSummary {
  oldestFetchedAt: number | null;
  /** Milliseconds until the first resurrected value is given up; Infinity without one. */
  firstEndInMs: number;
}

/**
 * The metrics of a data plane; every name begins with vaultplane_. All but the durations are read from what is counted
 * anyway, when they are asked for: a lookup pays for none of it. No label holds a secret's name, unless
 * metrics_secret_names asks for it, and every label has few values.
 */
export function createMetrics(sources: MetricSources, durations: UpstreamDurations): Metrics {
  const registry = new Registry();
  const registers = [registry];
  let current = sources.facts();
  let held: HeldSummary = { oldestFetchedAt: null, firstEndInMs: Infinity };
  collectProcessMetrics(registry);

  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    collect: (metric: Gauge<L>) => void | Promise<void>,
  ) => {
    const metric: Gauge<L> = new Gauge({
      name: `vaultplane_${name}`,
      help,
      labelNames,
      registers,
      collect: () => collect(metric),
    });
  };
  const value = (name: string, help: string, read: () => number) =>
    gauge(name, help, [], (metric) => metric.set(read()));
  // What counts is elsewhere: the counter is set to what stands there.
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    read: () => Array<[Partial<Record<L, string>>, number]>,
  ) => {
    const metric: Counter<L> = new Counter({
      name: `vaultplane_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        metric.reset();
        for (const [labels, count] of read()) metric.inc(labels, count);
      },
    });
  };

  gauge('build_info', 'Always 1; the labels say what runs.', ['version', 'node'], (metric) =>
    metric.set({ version: current.version, node: process.version }, 1),
  );

  counter('log_lines_dropped_total', 'Log lines that were dropped, since nobody read stderr.', [], () => [
    [{}, diagnostics.dropped],
  ]);
  value('config_version', 'Version of the configuration in use; 0 without one.', () => current.config.version ?? 0);
  value('config_age_seconds', 'Time since this version reached this data plane.', () => current.config.age_s ?? 0);
  gauge('config_source', '1 for where the configuration in use came from.', ['source'], (metric) => {
    for (const source of ['control_plane', 'disk', 'fallback']) {
      metric.set({ source }, current.config.source === source ? 1 : 0);
    }
  });
  value('config_vaults', 'Vaults in the configuration in use.', () => current.config.vaults);
  value('rejected_vaults', 'Vaults that this build can not use.', () => current.rejected_vaults.length);
  gauge('drill_active', '1 while this data plane is cut off on purpose.', ['outage'], (metric) => {
    for (const outage of OUTAGES) metric.set({ outage }, Number(current.drill?.outage === outage));
  });
  value('control_plane_connected', '1 while there is a link to a control plane.', () =>
    Number(current.control_plane.connected),
  );
  value(
    'control_plane_last_contact_timestamp_seconds',
    'When a control plane was last heard, in seconds since 1970; 0 for never.',
    () => seconds(current.control_plane.last_contact),
  );
  gauge(
    'cluster_certificate_expiry_timestamp_seconds',
    "When the cluster link's own certificate expires, in seconds since 1970.",
    [],
    async (metric) => metric.set(await expiryOf(sources.certificate)),
  );

  gauge('references', 'Secrets held, and misses remembered, by state.', ['state'], (metric) => {
    for (const [state, count] of Object.entries(current.references)) metric.set({ state }, count);
  });
  value('oldest_value_age_seconds', 'Age of the oldest value held; 0 without one.', () =>
    held.oldestFetchedAt === null ? 0 : Math.max(0, sources.now() - held.oldestFetchedAt) / 1000,
  );
  value(
    'resurrected_first_end_seconds',
    'Time until the first resurrected value is served no more; +Inf without one.',
    () => held.firstEndInMs / 1000,
  );
  value('cache_entries', 'Secrets in memory.', () => sources.cache().entries);
  value(
    'cache_bytes',
    'Bytes counted for secrets in memory, held against cache_max_bytes.',
    () => sources.cache().bytes,
  );
  value(
    'secrets_restored',
    'Secrets that were held again from disk after the start.',
    () => current.secrets_on_disk.restored,
  );
  gauge('disk_problem', '1 while something is wrong with a file of data_dir.', ['file'], (metric) => {
    metric.set({ file: 'config.snapshot' }, Number(current.config.disk_problem !== null));
    metric.set({ file: 'settings.cache' }, Number(current.settings.disk_problem !== null));
    metric.set({ file: 'references' }, Number(current.prefetch.disk_problem !== null));
    metric.set({ file: 'secrets.cache' }, Number(current.secrets_on_disk.problem !== null));
  });
  gauge('prefetch_references', 'References fetched in advance, by what came of it.', ['outcome'], (metric) => {
    metric.set({ outcome: 'had' }, current.prefetch.had);
    metric.set({ outcome: 'waiting' }, current.prefetch.waiting);
    metric.set({ outcome: 'failed' }, current.prefetch.failed.length);
  });
  value('old_settings', 'Settings that started from their last known value.', () => current.settings.old.length);

  counter(
    'lookups_total',
    'Lookups of applications by outcome (immediate: from memory; waited: for a vault; batch: of several; error) and the state of the value.',
    ['outcome', 'state'],
    () => [
      ...Object.entries(sources.answered()).flatMap(([outcome, states]) =>
        Object.entries(states).map(([state, count]): [{ outcome: string; state: string }, number] => [
          { outcome, state },
          count,
        ]),
      ),
      [{ outcome: 'error', state: 'none' }, sum(Object.values(current.lookups.errors))],
    ],
  );
  counter('lookup_errors_total', 'Lookups that failed, by the code of the error.', ['code'], () =>
    Object.entries(current.lookups.errors).map(([code, count]) => [{ code }, count]),
  );
  value('lookups_waiting', 'Lookups that wait for a vault now.', () => current.lookups.waiting);
  value('watchers', 'Open watches.', () => current.watchers);
  value('connections', 'Open connections of applications.', () => current.connections);
  counter('refusals_total', 'Calls and connections that were refused, by reason.', ['reason'], () =>
    Object.entries(current.refusals).map(([reason, count]) => [{ reason }, count]),
  );

  counter(
    'fetches_total',
    'Fetches of secrets by reason (first, or the refresh of one that is held) and outcome.',
    ['reason', 'outcome'],
    () => {
      const { first, refresh } = sources.fetches();
      return Object.entries({ first, refresh }).flatMap(([reason, outcomes]) =>
        Object.entries(outcomes).map(([outcome, count]): [{ reason: string; outcome: string }, number] => [
          { reason, outcome },
          count,
        ]),
      );
    },
  );
  counter(
    'aws_calls_saved_total',
    'Lookups and fetches that no call was made for: from memory, with a fetch under way, or in a batch.',
    ['by'],
    () => {
      const { joined, batched } = sources.fetches();
      return [
        [{ by: 'memory' }, sum(Object.values(sources.answered().immediate))],
        [{ by: 'joined' }, joined],
        [{ by: 'batch' }, batched],
      ];
    },
  );
  const byType = (count: keyof CallCounts) => () =>
    Object.entries(current.upstreams).map(([type, counts]): [{ type: string }, number] => [{ type }, counts[count]]);
  counter('vault_calls_total', 'Calls to vaults, by type of vault.', ['type'], byType('calls'));
  counter('vault_errors_total', 'Calls to vaults that failed, by type of vault.', ['type'], byType('errors'));
  counter('vault_throttled_total', 'Calls that vaults throttled, by type of vault.', ['type'], byType('throttled'));
  counter('aws_calls_total', 'Calls to AWS Secrets Manager.', [], () => [[{}, current.aws.calls]]);
  counter('aws_errors_total', 'Calls to AWS Secrets Manager that failed.', [], () => [[{}, current.aws.errors]]);
  counter('aws_throttled_total', 'Calls that AWS throttled.', [], () => [[{}, current.aws.throttled]]);
  const callDurations = new Histogram({
    name: 'vaultplane_aws_call_duration_seconds',
    help: 'How long calls to AWS Secrets Manager took, by operation and outcome.',
    labelNames: ['operation', 'outcome'],
    buckets: CALL_SECONDS,
    registers,
  });
  const vaultDurations = new Histogram({
    name: 'vaultplane_vault_call_duration_seconds',
    help: 'How long calls to vaults took, by type of vault, operation and outcome.',
    labelNames: ['type', 'operation', 'outcome'],
    buckets: CALL_SECONDS,
    registers,
  });
  durations.observeBy(({ type, operation, outcome, seconds: took }) => {
    vaultDurations.observe({ type, operation, outcome }, took);
    if (type === 'aws') callDurations.observe({ operation, outcome }, took);
  });

  const named = sources.secretNames ? nameSecrets(registry) : null;
  return {
    contentType: registry.contentType,
    families: () => registry.getMetricsAsArray().map(({ name, help, type }) => ({ name, help, type: String(type) })),
    text() {
      current = sources.facts();
      held = { oldestFetchedAt: null, firstEndInMs: Infinity };
      named?.clear();
      for (const secret of sources.inventory()) {
        const { fetchedAt, state } = secret;
        if (fetchedAt !== null) held.oldestFetchedAt = Math.min(held.oldestFetchedAt ?? Infinity, fetchedAt);
        if (state === 'resurrected') held.firstEndInMs = Math.min(held.firstEndInMs, secret.endsInMs);
        named?.add(secret, sources.now());
      }
      return registry.metrics();
    },
  };
}

/** One gauge of each secret's age, by name: as many series as there are secrets. */
function nameSecrets(registry: Registry): { clear(): void; add(secret: HeldSecret, now: number): void } {
  const ages = new Gauge({
    name: 'vaultplane_secret_age_seconds',
    help: 'Age of each value held, by secret and state; 0 for a miss that is remembered (metrics_secret_names = on).',
    labelNames: ['vault', 'secret', 'state'],
    registers: [registry],
  });
  return {
    clear: () => ages.reset(),
    add: ({ vault, reference, state, fetchedAt }, now) =>
      ages.set({ vault, secret: reference, state }, fetchedAt === null ? 0 : Math.max(0, now - fetchedAt) / 1000),
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Of a time in ISO 8601, or 0. */
function seconds(time: string | null): number {
  return time === null ? 0 : Date.parse(time) / 1000;
}

async function expiryOf(certificate: () => Promise<string>): Promise<number> {
  try {
    return Date.parse(new X509Certificate(await certificate()).validTo) / 1000;
  } catch {
    // It is being replaced, perhaps; what is wrong with it is told when it is used.
    return 0;
  }
}
