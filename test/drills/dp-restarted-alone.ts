import type { Drill } from './drill.ts';

export const dpRestartedAlone: Drill = {
  name: 'dp-restarted-alone',
  breaks: 'The control plane is killed, and then the data plane too, which starts again with no control plane to ask.',
  holds: 'The data plane serves again from the configuration on its disk; lookups fail only while its process is down.',
  async run({ controlPlane, dataPlane, cpProcess, dpProcess, note, expectValue, converging }) {
    note('killing the control plane, then the data plane');
    await cpProcess.kill('SIGKILL');
    await dpProcess.kill('SIGKILL');
    note('starting the data plane alone');
    await dataPlane.start();
    const { config } = await dataPlane.status();
    if (config.source !== 'disk') throw new Error(`its configuration is from ${config.source}, not from disk`);
    await expectValue('{vault://aws-sm-vault/secret-name/foo}', 'bar');

    note('starting the control plane again');
    await controlPlane.start();
    await converging(() => dataPlane.until((status) => status.control_plane.connected));
  },
};
