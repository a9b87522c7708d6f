import pg from 'pg';
import type { Drill } from './stage/drill.ts';

export const postgresRestored: Drill = {
  name: 'postgres-restored',
  breaks: "The control plane's database is replaced by an old backup: versions that data planes have seen never were.",
  holds:
    'The data plane takes over what the restored database says, though its version is lower, because it is of a new timeline; it says so, and never mixes the two. Only what the backup has not cannot be looked up any more.',
  needs: ['postgres'],
  seconds: 30,
  scene: { postgres: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    const database = plan.env.VAULTPLANE_PG_DATABASE!;
    stage.step('make a backup, and then a vault that is not in it');
    await stage.controlPlane.stop();
    await sql(stage.postgres.url, `create database backup template ${database}`);
    await stage.controlPlane.start();
    for (const prefix of ['after-backup', 'later', 'latest'] as const) {
      await plan.putVault(prefix, { name: 'aws', 'config.region': 'us-east-1' });
    }
    await stage.until('the data plane has it', () => stage.isCaughtUp());
    await stage.expectValue('{vault://after-backup/database/password}', 'a password');
    const before = (await stage.status())!.config;

    await stage.controlPlane.stop();
    await sql(stage.postgres.url, `drop database ${database}`, `alter database backup rename to ${database}`);
    stage.breaks('the backup takes the place of the database');
    await stage.controlPlane.start();
    stage.mends('the control plane is started on it');
    await stage.converges('the data plane has the configuration of the backup', () => stage.isCaughtUp());
    const after = (await stage.status())!.config;
    stage.held('it is of another timeline', after.timeline !== before.timeline);
    stage.held('its version is lower', after.version! < before.version!, `${before.version}, then ${after.version}`);
    stage.held('the data plane logs it', stage.dataPlane.output.includes('has begun a new timeline'));
    await stage.expectError('{vault://after-backup/database/password}', 'unknown_vault');

    stage.step('go on from there');
    await plan.putVault('after-restore', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.until('a change on the new timeline arrives', () => stage.isCaughtUp());
    await stage.expectValue('{vault://after-restore/database/password}', 'a password');
  },
};

async function sql(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
