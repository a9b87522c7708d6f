import type { Drill } from './stage/drill.ts';

export const dpRestartedAlone: Drill = {
  name: 'dp-restarted-alone',
  breaks: 'The control plane is killed, and then the data plane too, which starts again with no control plane to ask.',
  holds: 'The data plane serves again from the configuration on its disk; lookups fail only while its process is down.',
  seconds: 12,
  async run(stage) {
    await stage.until('the configuration is on its disk', () => stage.isOnDisk());
    stage.breaks('the control plane is killed, then the data plane');
    await stage.controlPlane.kill();
    await stage.excusing('the data plane is down', async () => {
      await stage.dataPlane.kill();
      stage.step('start the data plane alone');
      await stage.dataPlane.start();
    });
    const { config } = (await stage.status())!;
    stage.held('its configuration is from its disk', config.source === 'disk', `it is from ${config.source}`);
    await stage.pause(3000, 'applications go on');

    await stage.controlPlane.start();
    stage.mends('the control plane is started again');
    await stage.converges('the data plane has its link again', () => stage.isCaughtUp());
  },
};
