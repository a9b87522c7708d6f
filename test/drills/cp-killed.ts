import type { Drill } from './stage/drill.ts';

export const cpKilled: Drill = {
  name: 'cp-killed',
  breaks: 'The only control plane is killed (SIGKILL), and comes back later.',
  holds:
    'No lookup fails, secrets go on being rotated, one that nobody has asked for yet can be had, and the first change after the outage arrives.',
  seconds: 15,
  async run(stage) {
    stage.breaks('the control plane is killed');
    await stage.controlPlane.kill();
    await stage.until('the data plane says that it has no control plane', async () => !(await stage.isLinked()));

    stage.step('ask for a secret that the data plane has never held');
    stage.secrets.put('asked-for-late', { foo: 'late' });
    await stage.expectValue('{vault://aws-sm-vault/asked-for-late/foo}', 'late');
    await stage.pause(4000, 'go on for a while, over a rotation');
    await stage.rotationArrives();

    await stage.controlPlane.start();
    stage.mends('the control plane is started again');
    await stage.controlPlane.plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches the data plane', () => stage.isCaughtUp());
    await stage.expectValue('{vault://made-after/database/password}', 'a password');
  },
};
