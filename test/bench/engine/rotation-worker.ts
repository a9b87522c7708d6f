// Secrets that fall due within one ttl: what it costs until every one of them has been asked for again.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Figures } from '../benchmark.ts';
import { answerParent } from '../worker.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';

export interface RotationInput {
  subject: 'vaultplane' | 'one GetSecretValue each';
  secrets: number;
  ttlSeconds: number;
  /** The emulator's control API: values are of generation 2 from then on, and calls are counted anew. */
  rotateUrl: string;
}

/** As many at once as the SDK's own default of connections. */
const AT_ONCE = 50;
const LOOK_EVERY_MS = 100;

async function oneEach({ secrets }: RotationInput): Promise<void> {
  const client = new SecretsManagerClient({});
  let next = 0;
  const runs = Array.from({ length: AT_ONCE }, async () => {
    for (let index = next++; index < secrets; index = next++) {
      const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: cachedSecretName(index) }));
      if (JSON.parse(SecretString!).password !== cachedSecretValue(index, 2)) throw new Error('not the rotated value');
    }
  });
  await Promise.all(runs);
}

async function primed({ secrets, ttlSeconds }: RotationInput): Promise<() => Promise<void>> {
  const resolver = startResolver({
    clock: systemClock,
    log: silentLog,
    env: process.env,
    settings: {
      ...{ cache_max_entries: 2 * secrets, cache_max_bytes: 1024 ** 3 },
      ...{ vault_aws_region: 'us-east-1', vault_aws_ttl: ttlSeconds },
    },
  });
  const references = Array.from({ length: secrets }, (_, index) => `{vault://aws/${cachedSecretName(index)}/password}`);
  for (const outcome of await resolver.resolveMany(references)) if (outcome instanceof VaultplaneError) throw outcome;
  return async () => {
    // From the first that has not rotated yet: each is seen to have a value at any time, and at last the new one.
    for (let index = 0; index < secrets; ) {
      const found = resolver.resolve(references[index]!);
      if (found instanceof Promise) throw new Error(`${references[index]} is not held any more`);
      if (found.value === cachedSecretValue(index, 2)) index++;
      else if (found.value === cachedSecretValue(index)) await sleep(LOOK_EVERY_MS);
      else throw new Error(`${references[index]} has another value`);
    }
  };
}

await answerParent(async (input: RotationInput): Promise<Figures> => {
  const untilRotated = input.subject === 'vaultplane' ? await primed(input) : () => oneEach(input);
  const answer = await fetch(input.rotateUrl, { method: 'POST' });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const cpu = process.cpuUsage();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await untilRotated();
  delays.disable();
  const { user, system } = process.cpuUsage(cpu);
  return { p99: delays.percentile(99) / 1e6, max: delays.max / 1e6, cpu: (user + system) / 1e6 };
});
