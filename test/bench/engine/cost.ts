import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { Benchmark, Figures } from '../benchmark.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';
import { GeneratedVault } from './generated-vault.ts';

const DATA_PLANES = 100;
const SECRETS = 200;
const TTL_SECONDS = 300;
const DAYS_A_MONTH = 30;
/** Source: AWS's price list of Secrets Manager, 0.05 USD for 10,000 API calls. */
const USD_A_CALL = 0.05 / 10_000;
const HOUR_MS = 3_600_000;

/** What AWS is asked for by a fleet in a month, from what one data plane asks in a day. */
export const cost: Benchmark = {
  name: 'cost',
  title: `AWS's calls a month of ${DATA_PLANES} data planes with ${SECRETS} secrets of ttl ${TTL_SECONDS}, against one call a secret a ttl`,
  async prepare({ tiny }) {
    const hours = tiny ? 2 : 24;
    return {
      cases: [
        {
          name: `${DATA_PLANES} data planes`,
          metrics: [
            { key: 'calls', unit: 'calls a month' },
            { key: 'usd', unit: 'USD a month', digits: 2 },
          ],
          measure: async () => monthOf(await callsOf(hours), hours),
          baselines: [
            {
              name: 'one call a secret a ttl',
              measure: async () => monthOf((SECRETS * hours * HOUR_MS) / (TTL_SECONDS * 1000), hours),
              targets: { calls: 'shown', usd: 'shown' },
            },
          ],
          mostRounds: 1,
          warmUp: false,
        },
      ],
    };
  },
};

/** One data plane's calls; applications read every secret each minute, and each has another value every hour. */
async function callsOf(hours: number): Promise<number> {
  const clock = new FakeClock(Date.UTC(2026, 10, 24));
  const start = clock.now();
  const generation = () => 1 + Math.floor((clock.now() - start) / HOUR_MS);
  const indexOf = new Map(Array.from({ length: SECRETS }, (_, index) => [cachedSecretName(index), index]));
  const vault = new GeneratedVault((path) => cachedSecretValue(indexOf.get(path)!, generation()));
  const resolver = startResolver({
    clock,
    log: silentLog,
    env: {},
    settings: {
      ...{ cache_max_entries: 1000, cache_max_bytes: 1024 ** 2 },
      ...{ vault_aws_region: 'us-east-1', vault_aws_ttl: TTL_SECONDS },
    },
    backends: vault,
  });
  const references = [...indexOf.keys()].map((name) => `{vault://aws/${name}/}`);
  await resolver.resolveMany(references);
  for (let minute = 1; minute <= hours * 60; minute++) {
    await clock.advanceTo(start + minute * 60_000);
    const sinceRotation = minute % 60;
    for (const [index, reference] of references.entries()) {
      const found = resolver.resolve(reference);
      if (found instanceof Promise) throw new Error(`${reference} is not held any more`);
      const now = cachedSecretValue(index, generation());
      // Within a ttl, and the jitter on it, a value may be the one before.
      const known =
        found.value === now || (sinceRotation <= 6 && found.value === cachedSecretValue(index, generation() - 1));
      if (!known) throw new Error(`${reference} has another value, ${sinceRotation} minutes after it rotated`);
    }
  }
  await resolver.stop();
  return vault.calls;
}

function monthOf(calls: number, hours: number): Figures {
  const month = ((calls * 24) / hours) * DAYS_A_MONTH * DATA_PLANES;
  return { calls: month, usd: month * USD_A_CALL };
}
