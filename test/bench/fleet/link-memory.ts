import type { Benchmark, Figures } from '../benchmark.ts';
import { prepareReconnects } from './reconnect-storm.ts';
import { type Side, startScene } from './scene.ts';

/** What a control plane's memory holds for each data plane that is connected. */
export const linkMemory: Benchmark = {
  name: 'link-memory',
  title: 'memory of the control plane for each connected data plane, against a bare TLS and WebSocket connection',
  async prepare(preparation) {
    const [dataPlanes, vaults] = preparation.tiny ? [10, 10] : [2000, 1000];
    const scene = await startScene(vaults, preparation);
    await prepareReconnects(scene);
    const measure = (side: Side) => async (): Promise<Figures> => {
      const before = await side.facts();
      await side.reconnect(dataPlanes);
      await side.links.call('checkConfigs', 1);
      const after = await side.facts();
      await side.close();
      // Pages that earlier links have left are used again: a round can take less than nothing.
      return { bytes: Math.max(0, (after.rssBytes - before.rssBytes) / dataPlanes) };
    };
    return {
      cases: [
        {
          name: `${dataPlanes} data planes`,
          metrics: [{ key: 'bytes', unit: 'bytes a data plane' }],
          measure: measure(scene.controlPlane),
          baselines: [
            { name: 'bare TLS and ws', measure: measure(scene.bare), targets: { bytes: { ratioAtMost: 1.3 } } },
          ],
          // Only the first links find a process that has room for none.
          mostRounds: 1,
          warmUp: false,
        },
      ],
    };
  },
};
