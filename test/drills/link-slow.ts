import type { Drill } from './stage/drill.ts';

const DELAY_MS = 500;

export const linkSlow: Drill = {
  name: 'link-slow',
  breaks: `Everything between the data plane and its control plane takes ${DELAY_MS} ms longer, each way.`,
  holds:
    'No lookup takes longer or fails. A change arrives after one trip, and a new link is made in spite of its many.',
  seconds: 25,
  scene: { linkThroughProxy: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    stage.proxy.delayMs = DELAY_MS;
    stage.breaks(`each way takes ${DELAY_MS} ms`);
    for (const number of [1, 2, 3]) {
      const from = performance.now();
      await plan.putVault(`made-${number}x`, { name: 'aws', 'config.region': 'us-east-1' });
      await stage.until(`change ${number} arrives`, () => stage.isCaughtUp());
      stage.saw(`change ${number} took ${Math.round(performance.now() - from)} ms`);
    }
    stage.step('the link has to be made anew: the control plane restarts');
    await stage.controlPlane.stop();
    await stage.controlPlane.start();
    await stage.until('the link is there again', () => stage.isCaughtUp());

    stage.proxy.delayMs = 0;
    stage.mends('the delay is gone');
    await plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches the data plane', () => stage.isCaughtUp());
  },
};
