import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Drill } from './stage/drill.ts';

export const diskFull: Drill = {
  name: 'disk-full',
  breaks: "The disk of the data plane's data_dir is full.",
  holds:
    'No lookup fails, and a change of the configuration is used, though it can not be written; /status says so. A restart begins with the configuration before, whole. With room again, it is written by itself.',
  needs: ['namespaces'],
  seconds: 35,
  scene: { dataDirBytes: 256 * 1024 },
  async run(stage) {
    const { plan } = stage.controlPlane;
    const filler = join(stage.dataPlane.plan.dataDir, 'filler');
    const before = (await stage.status())!.config.version;
    await stage.until('the configuration is on disk', () => stage.isOnDisk());
    fill(filler);
    stage.breaks('the disk is full');
    await plan.putVault('made-meanwhile', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.until('a change reaches the data plane', () => stage.isCaughtUp());
    await stage.expectValue('{vault://made-meanwhile/database/password}', 'a password');
    await stage.until('/status says that it is not on disk', async () => {
      return (await stage.status())!.config.disk_problem?.includes('not written') ?? false;
    });

    stage.step('restart the data plane without a control plane');
    await stage.controlPlane.kill();
    await stage.excusing('the data plane is down', async () => {
      await stage.dataPlane.kill();
      await stage.dataPlane.start();
    });
    const { config } = (await stage.status())!;
    stage.held(
      'it begins with the version before, whole',
      config.version === before,
      `${before}, then ${config.version}`,
    );
    stage.held(
      'nothing was set aside as damaged',
      readdirSync(stage.dataPlane.plan.dataDir).every((file) => !file.includes('.damaged')),
    );

    await stage.controlPlane.start();
    rmSync(filler);
    stage.mends('there is room again, and the control plane is back');
    await stage.converges('the data plane has the newest configuration', () => stage.isCaughtUp());
    await stage.converges('it is on disk', () => stage.isOnDisk());
    stage.held('/status says nothing more of it', (await stage.status())!.config.disk_problem === null);
  },
};

/** Writes until there is no room for another byte. */
function fill(path: string): void {
  for (let bytes = 64 * 1024; bytes >= 1; bytes = bytes > 1 ? bytes >> 1 : 0) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
