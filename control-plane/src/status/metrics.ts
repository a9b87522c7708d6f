import { diagnostics } from '@vaultplane/platform/logging/diagnostics.ts';
import { collectProcessMetrics } from '@vaultplane/platform/process-metrics.ts';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DataPlane } from '../fleet/data-plane-facts.ts';
import type { FleetReference } from '../fleet/reference-registry.ts';
import { PROGRAM_VERSION } from '../version.ts';
import type { DatabaseOperation } from './observed-database.ts';

/** What the gauges are read from, at the moment they are asked for. */
export interface MetricSources {
  configVersion: () => number;
  vaults: () => number;
  /** Those connected to this control plane. */
  dataPlanes: () => DataPlane[];
  /** What the whole fleet holds, by secret. */
  references: () => Promise<FleetReference[]>;
  databaseUp: () => boolean;
  certificateExpiresAt: () => Date;
}

/** Data planes tell their own versions: so many are told apart, and the rest are one. */
const MOST_VERSIONS = 20;
const DURATION_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** The control plane's metrics, in a registry of its own. Every label has few values, and none is a secret's name. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #refused: Counter;
  readonly #lag: Histogram;
  readonly #database: Histogram;

  constructor() {
    const registers = [this.#registry];
    collectProcessMetrics(this.#registry);
    new Gauge({
      name: 'vaultplane_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version: PROGRAM_VERSION, node: process.version }, 1);
    const dropped: Counter = new Counter({
      name: 'vaultplane_log_lines_dropped_total',
      help: 'Log lines that were dropped, since nobody read stderr.',
      registers,
      collect() {
        dropped.reset();
        dropped.inc(diagnostics.dropped);
      },
    });
    this.#requests = new Counter({
      name: 'vaultplane_admin_requests_total',
      help: 'Answers of the Admin API.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'vaultplane_admin_request_duration_seconds',
      help: 'How long answers of the Admin API took.',
      labelNames: ['method', 'route'],
      buckets: DURATION_BUCKETS,
      registers,
    });
    this.#refused = new Counter({
      name: 'vaultplane_cluster_links_refused_total',
      help: 'Links of data planes that were refused or closed for what came by them.',
      labelNames: ['reason'],
      registers,
    });
    this.#lag = new Histogram({
      name: 'vaultplane_config_acknowledgement_seconds',
      help: 'Time from the publication of the newest version here to its acknowledgement by a data plane.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
      registers,
    });
    this.#database = new Histogram({
      name: 'vaultplane_database_operation_duration_seconds',
      help: 'How long operations of the database took, by kind and outcome.',
      labelNames: ['operation', 'outcome'],
      buckets: DURATION_BUCKETS,
      registers,
    });
  }

  observe(sources: MetricSources): void {
    this.#gauge('config_version', 'Version of the configuration.', sources.configVersion);
    this.#gauge('config_vaults', 'Vaults in the configuration.', sources.vaults);
    this.#gauge('data_planes_connected', 'Data planes connected to this control plane.', () => {
      return sources.dataPlanes().length;
    });
    this.#gauge('data_planes_behind', 'Connected data planes without the newest version.', () => {
      const newest = sources.configVersion();
      return sources.dataPlanes().filter(({ config_version }) => config_version !== newest).length;
    });
    this.#gauge('database_up', '1 while the database can be read.', () => Number(sources.databaseUp()));
    this.#gauge(
      'cluster_certificate_expiry_timestamp_seconds',
      "When the cluster link's own certificate expires, in seconds since 1970.",
      () => sources.certificateExpiresAt().getTime() / 1000,
    );
    this.#gauge(
      'data_plane_certificate_first_expiry_timestamp_seconds',
      'When the first certificate of a connected data plane expires, in seconds since 1970; +Inf without one.',
      () => Math.min(...sources.dataPlanes().flatMap(({ cert_expires_at }) => cert_expires_at ?? [])),
    );
    this.#fleet(sources);
  }

  adminRequest(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status });
    this.#durations.observe({ method, route }, seconds);
  }

  linkRefused(reason: string): void {
    this.#refused.inc({ reason });
  }

  /** A data plane has acknowledged the newest version, so long after it was published. */
  acknowledged(seconds: number): void {
    this.#lag.observe(seconds);
  }

  readonly databaseOperation = (operation: DatabaseOperation, failed: boolean, seconds: number): void => {
    this.#database.observe({ operation, outcome: failed ? 'error' : 'ok' }, seconds);
  };

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** What there is, without what it says now. */
  families(): Array<{ name: string; help: string; type: string }> {
    return this.#registry.getMetricsAsArray().map(({ name, help, type }) => ({ name, help, type: String(type) }));
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>): void {
    const metric: Gauge = new Gauge({
      name: `vaultplane_${name}`,
      help,
      registers: [this.#registry],
      collect: async () => metric.set(await read()),
    });
  }

  /** What data planes say of themselves, summed up. */
  #fleet({ dataPlanes, references }: MetricSources): void {
    const registers = [this.#registry];
    const versions: Gauge = new Gauge({
      name: 'vaultplane_data_planes',
      help: 'Data planes connected to this control plane, by version of the program and state of the configuration.',
      labelNames: ['version', 'sync_status'],
      registers,
      collect() {
        versions.reset();
        const known = new Set<string>();
        for (const { version, sync_status } of dataPlanes()) {
          const isOther = !known.has(version) && known.size >= MOST_VERSIONS;
          if (!isOther) known.add(version);
          versions.inc({ version: isOther ? 'other' : version, sync_status });
        }
      },
    });
    const held: Gauge = new Gauge({
      name: 'vaultplane_data_plane_references',
      help: 'Secrets held by the connected data planes together, and misses that they remember, by state.',
      labelNames: ['state'],
      registers,
      collect() {
        held.reset();
        for (const { references: counts } of dataPlanes()) {
          for (const [state, count] of Object.entries(counts ?? {})) held.inc({ state }, count);
        }
      },
    });
    this.#gauge(
      'secrets_in_several_versions',
      'Secrets of which data planes serve different versions: rotations that are not everywhere yet.',
      async () => (await references().catch(() => [])).filter(hasSeveralVersions).length,
    );
  }
}

function hasSeveralVersions({ servings }: FleetReference): boolean {
  return new Set(servings.filter(({ state }) => state !== 'negative').map(({ version_id }) => version_id)).size > 1;
}
