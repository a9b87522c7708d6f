import type { Drill } from './stage/drill.ts';
import { doorwayOf } from './stage/scenery.ts';
import { KEPT, PLAIN } from './stage/stage.ts';

export const newDpWithoutCp: Drill = {
  name: 'new-dp-without-cp',
  breaks: 'The only control plane is killed. A machine is set up meanwhile, whose data plane has never seen one.',
  holds:
    'The new data plane works, by the signed snapshot that the control plane has exported (config_export_url, config_fallback_url), and is ready. When the control plane is back, it goes by that.',
  needs: ['openssl'],
  seconds: 30,
  scene: { exported: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    const version = await plan.version();
    const exported = async () => stage.controlPlane.output.includes(`"version":${version},"place"`);
    await stage.until(`version ${version} is exported`, exported);
    const exportKey = await plan.exportKey();
    await stage.controlPlane.kill();
    stage.breaks('the control plane is killed');

    stage.step('start a data plane that has nothing on its disk');
    const created = await stage.planDataPlane('dp-new', {
      VAULTPLANE_CONFIG_FALLBACK_URL: stage.exportUrl,
      VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: exportKey,
    });
    try {
      await created.start();
      const facts = await stage.status(created);
      stage.held('it is ready', facts?.ready === true);
      stage.held(
        'its configuration is the exported one',
        facts?.config.source === 'fallback' && facts.config.version === version,
      );
      const asked = await stage.valuesAt(doorwayOf(created.plan), [PLAIN, KEPT]);
      stage.held('it gives values', asked.join() === 'a key,a password', asked.join());

      await stage.controlPlane.start();
      stage.mends('the control plane is started again');
      await plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
      await stage.converges('the new data plane goes by the control plane', () => stage.isCaughtUp(undefined, created));
      await stage.converges('so does the other one', () => stage.isCaughtUp());
    } finally {
      await created.stop();
    }
  },
};
