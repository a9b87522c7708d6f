import { parseAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Drill } from './stage/drill.ts';

export const cpFrozen: Drill = {
  name: 'cp-frozen',
  breaks: 'Of two control planes, the one that the data plane is linked to hangs (SIGSTOP): its connections stay open.',
  holds:
    'No lookup fails. The data plane notices the silence within 15 s, goes to the other one, and has a change that is made there. The frozen one comes back without harm.',
  needs: ['postgres'],
  seconds: 40,
  scene: { controlPlanes: 2 },
  async run(stage) {
    const linkedTo = async () => (await stage.status())?.control_plane.endpoint;
    const endpoint = await linkedTo();
    const frozen = stage.controlPlanes.find(({ plan }) => plan.clusterAddress === endpoint)!;
    const other = stage.controlPlanes.find((controlPlane) => controlPlane !== frozen)!;
    frozen.freeze();
    stage.breaks(`the control plane at port ${parseAddress(endpoint!)?.port} is frozen`);
    stage.step('make a vault through the other one');
    await other.plan.putVault('made-meanwhile', { name: 'aws', 'config.region': 'us-east-1' });
    const from = performance.now();
    await stage.until('the data plane is linked to the other one', async () => {
      return (await stage.isLinked()) && (await linkedTo()) === other.plan.clusterAddress;
    });
    await stage.until('it has the change', () => stage.isCaughtUp(other));
    stage.saw(`from the change to the data plane: ${Math.round((performance.now() - from) / 1000)} s`);
    await stage.expectValue('{vault://made-meanwhile/database/password}', 'a password');

    frozen.thaw();
    stage.mends('the frozen one goes on');
    await stage.converges('it has the change too', async () => {
      const [a, b] = await Promise.all([frozen.plan.version(), other.plan.version()]);
      return a === b;
    });
    await other.kill();
    stage.step('kill the other one: the data plane goes back');
    await stage.until('the data plane is linked to the one that was frozen', () => stage.isCaughtUp(frozen));
  },
};
