import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the gauges are read from, at the moment they are asked for. */
export interface MetricSources {
  configVersion: () => number;
  vaults: () => number;
  connectedDataPlanes: () => number;
  dataPlanesBehind: () => number;
  databaseUp: () => boolean;
  certificateExpiresAt: () => Date;
}

/** The control plane's metrics, in a registry of its own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #refused: Counter;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: 'vaultplane_' });
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
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    this.#refused = new Counter({
      name: 'vaultplane_cluster_links_refused_total',
      help: 'Links of data planes that were refused or closed for what came by them.',
      labelNames: ['reason'],
      registers,
    });
  }

  observe(sources: MetricSources): void {
    const gauges: Array<[name: string, help: string, read: () => number]> = [
      ['vaultplane_config_version', 'The version of the configuration.', sources.configVersion],
      ['vaultplane_config_vaults', 'Vaults in the configuration.', sources.vaults],
      ['vaultplane_data_planes_connected', 'Data planes connected to this control plane.', sources.connectedDataPlanes],
      ['vaultplane_data_planes_behind', 'Connected data planes without the newest version.', sources.dataPlanesBehind],
      ['vaultplane_database_up', 'Whether the database could be read last.', () => Number(sources.databaseUp())],
      [
        'vaultplane_cluster_certificate_expiry_timestamp_seconds',
        "When the cluster link's certificate expires.",
        () => sources.certificateExpiresAt().getTime() / 1000,
      ],
    ];
    for (const [name, help, read] of gauges) {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read());
        },
      });
    }
  }

  adminRequest(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status });
    this.#durations.observe({ method, route }, seconds);
  }

  linkRefused(reason: string): void {
    this.#refused.inc({ reason });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
