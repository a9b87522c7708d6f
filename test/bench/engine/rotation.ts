import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { cleanEnv } from '../../e2e/deployment.ts';
import type { Benchmark, Figures } from '../benchmark.ts';
import { runWorker } from '../worker.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';
import type { RotationInput } from './rotation-worker.ts';

const WORKER = new URL('./rotation-worker.ts', import.meta.url);

/** Ten thousand secrets that all rotate: how much AWS is asked, and how long the event loop is held up by it. */
export const rotation: Benchmark = {
  name: 'rotation',
  title: 'secrets that fall due within one ttl, against one GetSecretValue each',
  async prepare({ signal, tiny, stoppers }) {
    const [secrets, ttlSeconds] = tiny ? [100, 1] : [10_000, 30];
    const emulator = await startEmulator();
    stoppers.add('emulator', () => emulator.stop());
    const put = (generation: number) => {
      for (let index = 0; index < secrets; index++) {
        emulator.putSecret('us-east-1', cachedSecretName(index), { password: cachedSecretValue(index, generation) });
      }
    };
    // The worker says when it has all of the first generation.
    const rotator = createServer((_request, response) => {
      put(2);
      emulator.resetCalls();
      response.end();
    }).listen(0, '127.0.0.1');
    stoppers.add('rotator', () => {
      rotator.close();
      rotator.closeAllConnections();
    });
    await once(rotator, 'listening');
    const rotateUrl = `http://127.0.0.1:${(rotator.address() as AddressInfo).port}/`;
    const measure = (subject: RotationInput['subject']) => async () => {
      put(1);
      const input: RotationInput = { subject, secrets, ttlSeconds, rotateUrl };
      const env = { ...cleanEnv(), ...emulator.environment };
      const figures = await runWorker<Figures>(WORKER, input, { signal, env });
      const calls = Object.values(emulator.counts()).reduce((sum, count) => sum + count, 0);
      return { ...figures, calls };
    };
    return {
      cases: [
        {
          name: `${secrets.toLocaleString('en')} secrets, ttl ${ttlSeconds} s`,
          metrics: [
            { key: 'calls', unit: 'calls to AWS' },
            { key: 'p99', unit: 'ms event loop delay, p99', digits: 1 },
            { key: 'max', unit: 'ms event loop delay, longest', digits: 1 },
            { key: 'cpu', unit: 's of CPU', digits: 2 },
          ],
          measure: measure('vaultplane'),
          baselines: [
            {
              name: 'one GetSecretValue each',
              measure: measure('one GetSecretValue each'),
              targets: { calls: { ratioAtMost: 0.0667 }, cpu: 'shown' },
            },
          ],
          targets: { p99: { atMost: 20 }, max: 'shown' },
          mostRounds: 1,
          warmUp: false,
        },
      ],
    };
  },
};
