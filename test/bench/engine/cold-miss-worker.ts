// Secrets that are not held, one after the other: what a caller waits until AWS's answer has come to it.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { type Figures, median } from '../benchmark.ts';
import { answerParent } from '../worker.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';

export interface ColdMissInput {
  subject: 'vaultplane' | 'AWS SDK';
  lookups: number;
}

/** Before what is counted: both have loaded and compiled what they need, and have a connection. */
const FIRST = 200;

const SUBJECTS: Record<ColdMissInput['subject'], (lookups: number) => (index: number) => Promise<string | undefined>> =
  {
    'AWS SDK': () => {
      const client = new SecretsManagerClient({});
      return async (index) => {
        const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: cachedSecretName(index) }));
        return JSON.parse(SecretString!).password;
      };
    },
    vaultplane: (lookups) => {
      const resolver = startResolver({
        clock: systemClock,
        log: silentLog,
        env: process.env,
        settings: { cache_max_entries: 2 * lookups, cache_max_bytes: 1024 ** 3, vault_aws_region: 'us-east-1' },
      });
      return async (index) => (await resolver.resolve(`{vault://aws/${cachedSecretName(index)}/password}`)).value;
    },
  };

await answerParent(async ({ subject, lookups }: ColdMissInput): Promise<Figures> => {
  const look = SUBJECTS[subject](lookups);
  const taken: number[] = [];
  let cpu = process.cpuUsage();
  const first = Math.min(FIRST, lookups >> 2);
  for (let index = 0; index < lookups; index++) {
    if (index === first) cpu = process.cpuUsage();
    const start = performance.now();
    const value = await look(index);
    if (index >= first) taken.push(performance.now() - start);
    if (value !== cachedSecretValue(index)) throw new Error(`${subject} gave another value for secret ${index}`);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { latency: median(taken), cpu: (user + system) / 1000 / taken.length };
});
