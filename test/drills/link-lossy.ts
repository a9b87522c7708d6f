import { parseAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Drill } from './stage/drill.ts';

export const linkLossy: Drill = {
  name: 'link-lossy',
  breaks: 'The network between the data plane and its control plane drops 30 % of all packets, both ways.',
  holds: 'No lookup fails, and changes go on arriving, though later.',
  needs: ['namespaces'],
  seconds: 45,
  scene: { farDataPlane: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    await stage.farHost.lose(parseAddress(plan.clusterAddress)!.port, 0.3);
    stage.breaks('30 % of the packets of the link are dropped');
    for (const number of [1, 2, 3, 4, 5]) {
      const from = performance.now();
      await plan.putVault(`made-${number}x`, { name: 'aws', 'config.region': 'us-east-1' });
      await stage.until(`change ${number} arrives`, () => stage.isCaughtUp(), 60_000);
      stage.saw(`change ${number} took ${Math.round(performance.now() - from)} ms`);
    }
    stage.step('the link has to be made anew, through the loss: the control plane restarts');
    await stage.controlPlane.stop();
    await stage.controlPlane.start();
    await stage.until('the link is there again', () => stage.isCaughtUp(), 60_000);
    stage.saw(`${await stage.farHost.lost()} packets were dropped`);

    await stage.farHost.loseNothing();
    stage.mends('all packets arrive again');
    await plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches the data plane', () => stage.isCaughtUp());
  },
};
