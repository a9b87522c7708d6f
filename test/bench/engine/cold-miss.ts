import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { cleanEnv } from '../../e2e/deployment.ts';
import type { Benchmark, Figures } from '../benchmark.ts';
import { runWorker } from '../worker.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';
import type { ColdMissInput } from './cold-miss-worker.ts';

const WORKER = new URL('./cold-miss-worker.ts', import.meta.url);

/** A lookup of what is not held: what stands between the caller and AWS's own answer. */
export const coldMiss: Benchmark = {
  name: 'cold-miss',
  title: 'a secret that is not held, against the bare AWS SDK call to the same emulator',
  async prepare({ signal, tiny, stoppers }) {
    const lookups = tiny ? 20 : 2200;
    const emulator = await startEmulator();
    stoppers.add('emulator', () => emulator.stop());
    for (let index = 0; index < lookups; index++) {
      emulator.putSecret('us-east-1', cachedSecretName(index), { password: cachedSecretValue(index) });
    }
    const measure = (subject: ColdMissInput['subject']) => async () => {
      emulator.resetCalls();
      const env = { ...cleanEnv(), ...emulator.environment };
      const input: ColdMissInput = { subject, lookups };
      const figures = await runWorker<Figures>(WORKER, input, { signal, env });
      const calls = emulator.counts().GetSecretValue;
      if (calls !== lookups) throw new Error(`${subject} made ${calls} calls for ${lookups} secrets`);
      return figures;
    };
    return {
      cases: [
        {
          name: 'one at a time',
          metrics: [
            { key: 'latency', unit: 'ms, median', digits: 3 },
            { key: 'cpu', unit: 'ms of CPU a lookup', digits: 3 },
          ],
          measure: measure('vaultplane'),
          baselines: [
            {
              name: 'AWS SDK',
              measure: measure('AWS SDK'),
              targets: { latency: { ratioAtMost: 1.1 }, cpu: 'shown' },
            },
          ],
        },
      ],
    };
  },
};
