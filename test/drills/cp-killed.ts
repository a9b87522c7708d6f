import type { Drill } from './drill.ts';

export const cpKilled: Drill = {
  name: 'cp-killed',
  breaks: 'The only control plane is killed (SIGKILL), and comes back later.',
  holds:
    'No lookup fails, a secret that nobody has asked for yet can be had, and the first change after the outage arrives.',
  async run({ emulator, controlPlane, dataPlane, cpProcess, note, expectValue, converging }) {
    note('killing the control plane');
    await cpProcess.kill('SIGKILL');
    await dataPlane.until((status) => !status.control_plane.connected);
    note('the data plane is on its own; asking for a secret that it does not have yet');
    emulator.putSecret('us-east-1', 'asked-for-late', { foo: 'late' });
    await expectValue('{vault://aws-sm-vault/asked-for-late/foo}', 'late');

    note('starting the control plane again, and making a vault');
    await controlPlane.start();
    await converging(async () => {
      await controlPlane.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
      await dataPlane.caughtUpWith(controlPlane);
    });
    await expectValue('{vault://made-after/secret-name/foo}', 'bar');
  },
};
