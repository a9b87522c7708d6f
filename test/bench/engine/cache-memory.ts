import type { Benchmark, Figures } from '../benchmark.ts';
import { runWorker } from '../worker.ts';
import type { CacheMemoryInput } from './cache-memory-worker.ts';

const WORKER = new URL('./cache-memory-worker.ts', import.meta.url);

/** What a data plane's memory holds for each secret. */
export const cacheMemory: Benchmark = {
  name: 'cache-memory',
  title: 'memory of a cached secret of 200 bytes, against a bare Map of the same strings',
  async prepare({ signal, tiny }) {
    const secrets = tiny ? 1000 : 100_000;
    const measure = (subject: CacheMemoryInput['subject']) => () => {
      const input: CacheMemoryInput = { subject, secrets };
      return runWorker<Figures>(WORKER, input, { signal, nodeArgs: ['--expose-gc'] });
    };
    return {
      cases: [
        {
          name: `${secrets.toLocaleString('en')} secrets`,
          metrics: [{ key: 'bytes', unit: 'bytes a secret' }],
          measure: measure('vaultplane'),
          baselines: [{ name: 'Map', measure: measure('Map'), targets: { bytes: { ratioAtMost: 3 } } }],
          warmUp: false,
        },
      ],
    };
  },
};
