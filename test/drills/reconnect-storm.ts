import type { Drill } from './stage/drill.ts';
import { SimulatedFleet } from './stage/simulated-fleet.ts';

const SIZE = 1000;

export const reconnectStorm: Drill = {
  name: 'reconnect-storm',
  breaks: `The control plane of ${SIZE} data planes is killed, and comes back: all of them reconnect at once.`,
  holds:
    'No lookup fails at a data plane among them. All are back, by their full jitter and in spite of it, and each has the newest configuration. The control plane answers its Admin API meanwhile.',
  seconds: 70,
  async run(stage) {
    const { plan } = stage.controlPlane;
    const fleet = new SimulatedFleet({
      size: SIZE,
      endpoints: [plan.clusterAddress],
      certFile: plan.clusterCert,
      keyFile: plan.clusterCertKey,
    });
    const telling = setInterval(() => stage.saw(`${fleet.connected} are linked`), 5000);
    let slowest: ReturnType<typeof slowestAnswer> | undefined;
    try {
      const all = async () => fleet.having(await stage.hashOf()) === SIZE;
      await stage.until(`${SIZE} data planes are linked, with the newest configuration`, all, 180_000);
      const from = performance.now();
      await plan.putVault('made-for-all', { name: 'aws', 'config.region': 'us-east-1' });
      await stage.until('a change reaches all of them', all);
      stage.saw(`a change reached ${SIZE} data planes in ${Math.round(performance.now() - from)} ms`);

      await stage.controlPlane.kill();
      stage.breaks('the control plane is killed');
      await stage.until('nobody has a link', () => fleet.connected === 0);
      await stage.pause(8000, 'they try again and again');
      await stage.controlPlane.start();
      stage.mends('the control plane is started again');
      slowest = slowestAnswer(`${plan.adminUrl}/vaults`);
      await plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
      await stage.converges(`all ${SIZE} are linked again, with the newest configuration`, all, 180_000);
      await stage.converges('so is the data plane whose applications are watched', () => stage.isCaughtUp());
      stage.saw(`slowest answer of the Admin API meanwhile: ${Math.round(await slowest.stop())} ms`);
    } finally {
      clearInterval(telling);
      await slowest?.stop();
      await fleet.stop();
    }
  },
};

/** Asks a URL all the time; `stop` gives the longest that an answer took, milliseconds. */
function slowestAnswer(url: string): { stop: () => Promise<number> } {
  let slowest = 0;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const from = performance.now();
      const answered = await fetch(url).then(
        (answer) => answer.text(),
        () => undefined,
      );
      if (answered === undefined && stopped) break;
      slowest = Math.max(slowest, performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return slowest;
  })();
  return {
    stop: () => {
      stopped = true;
      return running;
    },
  };
}
