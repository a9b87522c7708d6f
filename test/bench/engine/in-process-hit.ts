import type { Benchmark, Figures } from '../benchmark.ts';
import { runWorker } from '../worker.ts';
import type { HitInput, Subject } from './in-process-hit-worker.ts';

const REFERENCES = 100_000;
const WORKER = new URL('./in-process-hit-worker.ts', import.meta.url);

/** A lookup of a value in memory, without any API in between: what every door is built on. */
export const inProcessHit: Benchmark = {
  name: 'in-process-hit',
  title: `a lookup in memory, of ${REFERENCES.toLocaleString('en')} references in random order`,
  async prepare({ signal, tiny }) {
    const measure = (subject: Subject, references: number) => () => {
      const input: HitInput = { subject, references, lookups: tiny ? 1000 : 3_000_000 };
      return runWorker<Figures>(WORKER, input, { signal });
    };
    const against = (name: Subject, target: number, references: number) => {
      return { name, measure: measure(name, references), targets: { rate: { ratioAtLeast: target } } };
    };
    return {
      cases: (tiny ? [100] : [REFERENCES, 100]).map((references) => ({
        name: `${references.toLocaleString('en')} references`,
        metrics: [{ key: 'rate', unit: 'lookups/s' }],
        measure: measure('vaultplane', references),
        baselines: [
          against('Map.get', 0.5, references),
          against('async-cache-dedupe', 1, references),
          against('lru-cache fetch', 1, references),
        ],
      })),
    };
  },
};
