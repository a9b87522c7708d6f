import type { SettingReferenceFacts } from '@vaultplane/backends/setting-values/kept-settings.ts';
import type { ConfigPosition } from '@vaultplane/model/snapshots/snapshot.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { CallCounts, Resolver } from '../cache/resolver.ts';
import type { RejectedVault } from '../cache/vault-directory.ts';
import type { VaultFileFacts } from '../cache/vault-file.ts';
import type { Configuration, ConfigurationSource } from '../config-sync/configuration.ts';
import type { ControlPlaneLink } from '../config-sync/control-plane-link.ts';
import type { TrustFacts } from '../config-sync/trusted-keys.ts';
import type { Lookups } from '../endpoints/lookups.ts';
import type { RehearsalFacts } from '../fault-injection/rehearsal-facts.ts';
import type { Refusals } from '../limits/refusals.ts';
import type { PrefetchFacts } from '../prefetch/prefetcher.ts';
import type { Prefetching } from '../prefetch/prefetching.ts';

/** What GET /status answers (specification.md §7). Times are ISO 8601; null is what is not known. No value, ever. */
export interface StatusFacts {
  program: 'vaultplane-dp';
  version: string;
  node_id: string;
  started_at: string;
  ready: boolean;
  /** Why it is not ready; empty where it is. */
  reasons: string[];
  /** Taken out of its load balancer by `POST /status/ready`; it serves as before. */
  draining: boolean;
  config: {
    version: number | null;
    hash: string | null;
    timeline: string | null;
    source: ConfigurationSource | null;
    /** Seconds since this version reached this data plane. */
    age_s: number | null;
    vaults: number;
    /** What is wrong with data_dir/config.snapshot. */
    disk_problem: string | null;
    /** Why config_fallback_url gave nothing when it was needed last. */
    fallback_problem: string | null;
    /** The last time that a control plane's database was another than before: a backup was restored. */
    timeline_change: { at: string; from: ConfigPosition; to: ConfigPosition } | null;
  };
  control_plane: {
    connected: boolean;
    endpoint: string | null;
    last_contact: string | null;
    last_error: string | null;
    /** What this data plane shows to control planes (null before it has joined), and why a renewed one is not in use. */
    certificate: { expires_at: string | null; problem: string | null };
    /** Which key a control plane must prove to have (cluster_mtls = shared), and exports be signed with. */
    export_key: TrustFacts;
  };
  references: { fresh: number; stale: number; resurrected: number; negative: number };
  /** Calls to vaults of type aws, and to those of every type that was asked for something, by type. */
  aws: CallCounts;
  upstreams: Record<string, CallCounts>;
  lookups: { immediate: number; waited: number; waiting: number; errors: Record<string, number> };
  /** data_dir/secrets.cache (specification.md §9). */
  secrets_on_disk: VaultFileFacts;
  /** What is fetched in advance: `prefetch`, and what was in use before the start. */
  prefetch: PrefetchFacts & {
    /** What is wrong with data_dir/references. */
    disk_problem: string | null;
  };
  /** Settings that are references (specification.md §9, its last line). */
  settings: SettingReferenceFacts;
  watchers: number;
  /** The drill that cuts this data plane off on purpose; null where none goes on. */
  drill: RehearsalFacts | null;
  /** Open connections of applications. */
  connections: number;
  /** Calls and connections that were refused before anything was looked up, by reason. */
  refusals: Record<string, number>;
  /** The vaults of the configuration that are not used, and what upstream_policy would have to grant. */
  rejected_vaults: RejectedVault[];
  /** upstream_policy, and why what its file now holds is not in force. */
  upstream_policy: { file: string | null; problem: string | null };
}

export interface StatusSources {
  version: string;
  nodeId: () => string;
  configuration: Configuration;
  link: ControlPlaneLink;
  resolver: Resolver;
  lookups: Lookups;
  refusals: Refusals;
  watchers: () => number;
  rehearsals: { readonly facts: RehearsalFacts | null };
  connections: () => number;
  prefetching: Prefetching;
  settingReferences: () => SettingReferenceFacts;
  secretsOnDisk: () => VaultFileFacts;
  fallbackError: () => string | null;
  certificate: () => { expiresAt: number | null; problem: string | null };
  exportKey: () => TrustFacts;
  draining: () => boolean;
  upstreamPolicy: () => StatusFacts['upstream_policy'];
  clock: Clock;
}

/** Gives the facts as they are whenever it is called. */
export function statusFacts(sources: StatusSources): () => StatusFacts {
  const { clock, configuration, link, lookups, resolver } = sources;
  const startedAt = isoTime(clock.now());
  return () => {
    const { current, timelineChange } = configuration;
    const certificate = sources.certificate();
    const draining = sources.draining();
    const { connected, endpoint, lastContact, lastError } = link.state();
    const { errors, ...lookupCounts } = lookups.counts();
    return {
      program: 'vaultplane-dp',
      version: sources.version,
      node_id: sources.nodeId(),
      started_at: startedAt,
      ready: current !== null && !draining,
      reasons: [
        ...(draining ? ['it is draining'] : []),
        ...(current
          ? []
          : [`no configuration yet, from a control plane or from disk${lastError ? ` (${lastError})` : ''}`]),
      ],
      draining,
      config: {
        version: current?.snapshot.version ?? null,
        hash: current?.snapshot.hash ?? null,
        timeline: current?.snapshot.timeline ?? null,
        source: current?.source ?? null,
        age_s: current && Math.max(0, Math.round((clock.now() - current.since) / 1000)),
        vaults: current?.snapshot.vaults.length ?? 0,
        disk_problem: configuration.diskProblem,
        fallback_problem: sources.fallbackError(),
        timeline_change: timelineChange && { ...timelineChange, at: isoTime(timelineChange.at) },
      },
      control_plane: {
        connected,
        endpoint,
        last_contact: lastContact === null ? null : isoTime(lastContact),
        last_error: lastError,
        certificate: {
          expires_at: certificate.expiresAt === null ? null : isoTime(certificate.expiresAt),
          problem: certificate.problem,
        },
        export_key: sources.exportKey(),
      },
      references: resolver.counts(),
      aws: resolver.awsCounts(),
      upstreams: resolver.upstreamCounts(),
      lookups: { ...lookupCounts, errors: Object.fromEntries(errors) },
      secrets_on_disk: sources.secretsOnDisk(),
      prefetch: { ...sources.prefetching.facts(), disk_problem: sources.prefetching.diskProblem() },
      settings: sources.settingReferences(),
      watchers: sources.watchers(),
      drill: sources.rehearsals.facts,
      connections: sources.connections(),
      refusals: sources.refusals.counts(),
      rejected_vaults: resolver.rejectedVaults(),
      upstream_policy: sources.upstreamPolicy(),
    };
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
