// Bytes in memory for each secret that is held, garbage collected.
import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Figures } from '../benchmark.ts';
import { answerParent } from '../worker.ts';
import { cachedSecretName } from './cached-secret.ts';
import { GeneratedVault } from './generated-vault.ts';

export interface CacheMemoryInput {
  subject: 'vaultplane' | 'Map';
  secrets: number;
}

const VALUE_BYTES = 200;
const AT_ONCE = 1000;

/** As it comes from a socket: flat, and no part of another string. */
function text(written: string): string {
  return Buffer.from(written).toString('latin1');
}

const valueAt = (path: string) => text(path.padEnd(VALUE_BYTES, 'x'));
const referenceOf = (index: number) => text(`{vault://aws/${cachedSecretName(index)}/}`);

/** Fills, and gives a lookup. */
type Filled = (secrets: number) => Promise<(reference: string) => unknown>;

const SUBJECTS: Record<CacheMemoryInput['subject'], Filled> = {
  Map: async (secrets) => {
    const map = new Map<string, string>();
    for (let index = 0; index < secrets; index++) map.set(referenceOf(index), valueAt(cachedSecretName(index)));
    return (reference) => map.get(reference);
  },
  vaultplane: async (secrets) => {
    const resolver = startResolver({
      clock: systemClock,
      log: silentLog,
      env: {},
      settings: {
        ...{ cache_max_entries: 2 * secrets, cache_max_bytes: 4 * 1024 ** 3 },
        ...{ vault_aws_region: 'us-east-1', vault_aws_ttl: 86_400 },
      },
      backends: new GeneratedVault(valueAt),
    });
    for (let from = 0; from < secrets; from += AT_ONCE) {
      const count = Math.min(AT_ONCE, secrets - from);
      await resolver.resolveMany(Array.from({ length: count }, (_, index) => referenceOf(from + index)));
    }
    return (reference) => (resolver.resolve(reference) as { value?: string }).value;
  },
};

async function bytesInUse(): Promise<number> {
  // What waits for another turn of the event loop, and weak references, are gone after a second time.
  for (let time = 0; time < 2; time++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc!();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await answerParent(async ({ subject, secrets }: CacheMemoryInput): Promise<Figures> => {
  await SUBJECTS[subject](1);
  const before = await bytesInUse();
  const look = await SUBJECTS[subject](secrets);
  // Every one has been looked up, as in use it is.
  for (let index = 0; index < secrets; index++) {
    if (look(referenceOf(index)) !== valueAt(cachedSecretName(index))) throw new Error(`secret ${index} is not held`);
  }
  const after = await bytesInUse();
  if (look(referenceOf(0)) === undefined) throw new Error('a value is gone');
  return { bytes: (after - before) / secrets };
});
