import type { Drill } from './stage/drill.ts';
import { ROTATING } from './stage/stage.ts';

export const cpAndAwsDown: Drill = {
  name: 'cp-and-aws-down',
  breaks: 'The control plane and AWS are both down, and the data plane is killed and starts again.',
  holds:
    'With secrets_persist the data plane serves all that it held, from its disk alone; lookups fail only while its process is down. Then all is fresh again.',
  seconds: 30,
  scene: { persist: true },
  async run(stage) {
    await stage.until(
      'what is held is on disk',
      async () => ((await stage.status())?.secrets_on_disk.written ?? 0) >= 3,
    );
    await stage.until('so is the configuration', () => stage.isOnDisk());
    await stage.controlPlane.kill();
    await stage.emulator.stop();
    stage.breaks('the control plane and AWS are down');
    await stage.excusing('the data plane is down', async () => {
      await stage.dataPlane.kill();
      stage.step('start the data plane alone');
      await stage.dataPlane.start();
    });
    const { config, secrets_on_disk: disk } = (await stage.status())!;
    stage.held('its configuration is from its disk', config.source === 'disk');
    stage.held('so are the secrets', disk.restored >= 3, `it had ${disk.restored}`);
    await stage.until(
      'the rotating secret is resurrected',
      async () => (await stage.outcomeOf(ROTATING)) === 'resurrected',
    );
    await stage.pause(5000, 'applications go on');

    await stage.emulator.start();
    stage.step('AWS is back');
    await stage.controlPlane.start();
    stage.mends('the control plane and AWS are back');
    await stage.converges('the data plane has its link again', () => stage.isCaughtUp());
    await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
    await stage.rotationArrives();
  },
};
