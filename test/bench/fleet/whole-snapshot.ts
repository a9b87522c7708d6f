import type { Benchmark, Figures } from '../benchmark.ts';
import { now } from './program.ts';
import { type Side, startScene } from './scene.ts';

/** The whole configuration to data planes that have nothing, all at once. */
export const wholeSnapshot: Benchmark = {
  name: 'whole-snapshot',
  title:
    'the whole configuration to new data planes, against a bare server that sends the same bytes over the same TLS',
  async prepare(preparation) {
    const [dataPlanes, vaults] = preparation.tiny ? [5, 100] : [1000, 10_000];
    const { controlPlane, bare, recorded } = await startScene(vaults, preparation);
    const measure = (side: Side) => async (): Promise<Figures> => {
      await side.connect(dataPlanes);
      const before = await side.facts();
      const from = now();
      await side.links.call('hello', { had: false });
      const milliseconds = (await side.links.call<number>('untilConfigs', 1)) - from;
      await side.links.call('checkConfigs', 1);
      const after = await side.facts();
      if ((await side.links.call<number>('verify')) !== vaults) throw new Error('not all vaults came');
      await side.close();
      return {
        milliseconds,
        cpu: (after.cpuSeconds - before.cpuSeconds) * 1000,
        bytes: recorded.configs[0]!.byteLength,
      };
    };
    return {
      cases: [
        {
          name: `${dataPlanes} new data planes, ${vaults.toLocaleString('en')} vaults`,
          metrics: [
            { key: 'milliseconds', unit: 'ms' },
            { key: 'cpu', unit: 'ms of the server’s CPU' },
            { key: 'bytes', unit: 'bytes a data plane' },
          ],
          measure: measure(controlPlane),
          baselines: [
            {
              name: 'bare ws',
              measure: measure(bare),
              targets: { milliseconds: { ratioAtMost: 1.5 }, cpu: 'shown' },
            },
          ],
          targets: { bytes: 'shown' },
        },
      ],
    };
  },
};
