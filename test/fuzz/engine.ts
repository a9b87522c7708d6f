import { checkWorlds } from '@vaultplane/data-plane/cache/testing/world-search.ts';
import type { FuzzTarget } from './fuzz-target.ts';

/** The vault engine beside a small obvious model, in random orders of all that can happen to it. */
export const engine: FuzzTarget = {
  name: 'engine',
  inputs: 'scripts',
  usual: 5_000,
  slice: 200,
  attempt: async (seed, count) => (await checkWorlds({ seed, numRuns: count })).finding,
};
