import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Random } from '../cache/backoff.ts';
import type { Resolver } from '../cache/resolver.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { parsePrefetch } from './prefetch-setting.ts';
import { Prefetcher, type PrefetchFacts } from './prefetcher.ts';
import { openReferencesFile } from './references-file.ts';

/** What a data plane fetches in advance, and what it notes down to fetch in advance after a restart. */
export interface Prefetching {
  /** Another configuration is in use. */
  configured(): void;
  facts(): PrefetchFacts;
  /** What is wrong with data_dir/references; null where nothing is. */
  diskProblem(): string | null;
  /** To be called before the resolver is stopped. */
  stop(): Promise<void>;
}

/** Begins to prefetch in the background; nothing that can't be had fails the start (specification.md §4). */
export async function startPrefetching(options: {
  settings: Pick<DataPlaneSettings, 'data_dir' | 'cache_max_entries' | 'prefetch'>;
  resolver: Resolver;
  clock: Clock;
  random: Random;
  log: Log;
}): Promise<Prefetching> {
  const { settings, resolver, clock, random, log } = options;
  const { continuity } = resolver;
  const most = settings.cache_max_entries;
  const takeUsed = () => continuity.takeUsed();
  const file = await openReferencesFile({ dataDir: settings.data_dir, most, takeUsed, clock, log });
  const prefetcher = new Prefetcher({
    items: parsePrefetch(settings.prefetch ?? []),
    inUse: file.references(),
    most,
    prefetch: (references, roleArn) => continuity.prefetch(references, roleArn),
    tagged: (vault, tag, signal) => resolver.tagged(vault, tag, signal),
    clock,
    random,
    log,
  });
  file.start();
  prefetcher.start();
  return {
    configured: () => prefetcher.configured(),
    facts: () => prefetcher.facts(),
    diskProblem: () => file.problem,
    async stop() {
      prefetcher.stop();
      await file.stop();
    },
  };
}
