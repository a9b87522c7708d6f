import { parseAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Drill } from './stage/drill.ts';

export const linkCut: Drill = {
  name: 'link-cut',
  breaks: 'The network between the data plane and its control plane drops every packet; no connection is closed.',
  holds:
    'No lookup fails. Both ends notice by the silence. A change that was made meanwhile arrives when packets do again.',
  needs: ['namespaces'],
  seconds: 45,
  scene: { farDataPlane: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    await stage.farHost.lose(parseAddress(plan.clusterAddress)!.port, 1);
    stage.breaks('all packets of the link are dropped');
    await plan.putVault('made-meanwhile', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.until('the data plane notices', async () => !(await stage.isLinked()));
    await stage.until('the control plane notices', async () => {
      const { data } = (await plan.get('/clustering/data-planes')) as { data: Array<{ connected?: boolean }> };
      const status = (await (await fetch(`${plan.statusUrl}/status`)).json()) as { data_planes: { connected: number } };
      return data.length === 1 && status.data_planes.connected === 0;
    });
    stage.saw(`${await stage.farHost.lost()} packets were dropped`);

    await stage.farHost.loseNothing();
    stage.mends('packets arrive again');
    await stage.converges('the change reaches the data plane', () => stage.isCaughtUp());
    await stage.expectValue('{vault://made-meanwhile/database/password}', 'a password');
  },
};
