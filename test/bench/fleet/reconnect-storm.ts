import type { Benchmark, Figures } from '../benchmark.ts';
import { now } from './program.ts';
import { type Scene, type Side, startScene } from './scene.ts';

/** Both sides know what their links have, and the bare one welcomes, and no more. */
export async function prepareReconnects({ controlPlane, bare, recorded }: Scene): Promise<void> {
  for (const side of [controlPlane, bare]) {
    await side.connectNew(1);
    await side.close();
  }
  await bare.server.call('answerHelloWith', [recorded.welcome]);
}

/** All data planes come back at once, and have what is the newest configuration still. */
export const reconnectStorm: Benchmark = {
  name: 'reconnect-storm',
  title: 'data planes that all come back at once, against bare TLS and WebSocket handshakes',
  async prepare(preparation) {
    const [dataPlanes, vaults] = preparation.tiny ? [10, 10] : [2000, 1000];
    const scene = await startScene(vaults, preparation);
    await prepareReconnects(scene);
    const measure = (side: Side) => async (): Promise<Figures> => {
      const before = await side.facts();
      const from = now();
      const milliseconds = (await side.reconnect(dataPlanes, Math.min(dataPlanes, 500))) - from;
      const after = await side.facts();
      // No configuration was sent to any, nor is one on its way.
      await side.links.call('checkConfigs', 1);
      await side.close();
      return { milliseconds, cpu: (after.cpuSeconds - before.cpuSeconds) * 1000 };
    };
    return {
      cases: [
        {
          name: `${dataPlanes} data planes`,
          metrics: [
            { key: 'milliseconds', unit: 'ms until all are welcomed' },
            { key: 'cpu', unit: 'ms of the server’s CPU' },
          ],
          measure: measure(scene.controlPlane),
          baselines: [
            {
              name: 'bare TLS and ws',
              measure: measure(scene.bare),
              targets: { milliseconds: { ratioAtMost: 1.5 }, cpu: 'shown' },
            },
          ],
        },
      ],
    };
  },
};
