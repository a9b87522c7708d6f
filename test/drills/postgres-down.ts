import type { Drill } from './stage/drill.ts';

export const postgresDown: Drill = {
  name: 'postgres-down',
  breaks: "The control plane's Postgres crashes.",
  holds:
    'No lookup fails and the link stays. Changes are refused, not lost half-way. A data plane that restarts meanwhile gets the configuration that the control plane has in memory. When Postgres is back, so is everything, by itself.',
  needs: ['postgres'],
  seconds: 30,
  scene: { postgres: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    const version = await plan.version();
    await stage.postgres.kill();
    stage.breaks('Postgres is killed');
    const change = await fetch(`${plan.adminUrl}/vaults/made-meanwhile`, {
      method: 'PUT',
      body: new URLSearchParams({ name: 'aws', 'config.region': 'us-east-1' }),
    });
    stage.held('a change is refused as a failure of the server', change.status >= 500, `it got ${change.status}`);
    await stage.until('the control plane says that it is not ready', async () => {
      return (await fetch(`${plan.statusUrl}/status/ready`)).status === 503;
    });
    stage.held('the data plane keeps its link', await stage.isLinked());

    stage.step('restart the data plane, without what is on its disk');
    await stage.excusing('the data plane is down', async () => {
      await stage.dataPlane.kill();
      stage.forgetDisk(['config.snapshot']);
      await stage.dataPlane.start();
    });
    await stage.until('it has the configuration from the control plane', async () => {
      const { config } = (await stage.status())!;
      return config.source === 'control_plane' && config.version === version;
    });
    await stage.pause(3000, 'applications go on');

    await stage.postgres.restart();
    stage.mends('Postgres is started again');
    await stage.converges('the control plane is ready', async () => {
      return (await fetch(`${plan.statusUrl}/status/ready`)).status === 200;
    });
    await plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches the data plane', () => stage.isCaughtUp());
    const vaults = (await plan.get('/vaults')).data as Array<{ prefix: string }>;
    stage.held('the change that was refused is not there', !vaults.some(({ prefix }) => prefix === 'made-meanwhile'));
  },
};
