import type { Benchmark, Case, Figures, Preparation } from '../benchmark.ts';
import { now } from './program.ts';
import { type Side, startScene } from './scene.ts';

/** One change of one vault, until every data plane has it and has said so. */
export const broadcast: Benchmark = {
  name: 'broadcast',
  title:
    'one change to all data planes, against a bare WebSocket broadcast and reply of as many bytes over the same TLS',
  async prepare(preparation) {
    const { tiny } = preparation;
    const [dataPlanes, few, many] = tiny ? [5, 10, 30] : [1000, 10, 10_000];
    const small = await caseOf(few, dataPlanes, preparation);
    const large = await caseOf(many, dataPlanes, preparation);
    const againstFew = {
      name: `${few} vaults`,
      measure: async () => ({ bytes: small.bytes() }),
      targets: { bytes: { ratioAtMost: 1.1 } },
    };
    return { cases: [small.case, { ...large.case, baselines: [...large.case.baselines, againstFew] }] };
  },
};

async function caseOf(
  vaults: number,
  dataPlanes: number,
  preparation: Preparation,
): Promise<{ case: Case; bytes: () => number }> {
  const changes = preparation.tiny ? 2 : 10;
  const { controlPlane, bare, change, recorded } = await startScene(vaults, preparation);
  const delta = recorded.configs[1]!;
  for (const side of [controlPlane, bare]) await side.connectNew(dataPlanes);
  let bytes = delta.byteLength;

  const measure = (side: Side, send: () => Promise<unknown>) => async (): Promise<Figures> => {
    const before = await side.facts();
    let had = await side.links.call<number>('configs');
    let milliseconds = 0;
    for (let sent = 0; sent < changes; sent++) {
      const from = now();
      await send();
      milliseconds += (await side.links.call<number>('untilConfigs', ++had)) - from;
    }
    await side.links.call('checkConfigs', had);
    const after = await side.facts();
    return {
      milliseconds: milliseconds / changes,
      cpu: ((after.cpuSeconds - before.cpuSeconds) * 1000) / changes,
      bytes,
    };
  };
  const vaultplane = measure(controlPlane, change);
  return {
    bytes: () => bytes,
    case: {
      name: `${dataPlanes} data planes, ${vaults.toLocaleString('en')} vaults`,
      metrics: [
        { key: 'milliseconds', unit: 'ms a change', digits: 1 },
        { key: 'cpu', unit: 'ms of the server’s CPU a change', digits: 1 },
        { key: 'bytes', unit: 'bytes a data plane' },
      ],
      async measure() {
        const figures = await vaultplane();
        await controlPlane.links.call('verify');
        const { configs } = await controlPlane.links.call<{ configs: Uint8Array[] }>('recorded');
        bytes = configs.at(-1)!.byteLength;
        return { ...figures, bytes };
      },
      baselines: [
        {
          name: 'bare ws',
          measure: measure(bare, () => bare.server.call('broadcast', delta)),
          targets: { milliseconds: { ratioAtMost: 1.5 }, cpu: 'shown' },
        },
      ],
    },
  };
}
