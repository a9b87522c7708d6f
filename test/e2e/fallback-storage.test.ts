import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { Deployment } from './deployment.ts';

describe("Kong's settings of the fallback configuration", () => {
  const deployment = new Deployment();
  let emulator: Emulator;
  before(async () => {
    emulator = await startEmulator();
    emulator.addBucket('a-bucket');
  });
  after(async () => {
    await deployment.stop();
    await emulator?.stop();
  });

  it('export on a control plane, and import on a data plane that starts without it', async () => {
    const storage = { ...emulator.environment, KONG_CLUSTER_FALLBACK_CONFIG_STORAGE: 's3://a-bucket/prod/' };
    const controlPlane = await deployment.planControlPlane('cp', {
      ...storage,
      KONG_CLUSTER_FALLBACK_CONFIG_EXPORT: 'on',
      KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY: '1',
    });
    const program = await controlPlane.start();
    await controlPlane.putVault('my-env', { name: 'env', 'config.prefix': 'OF_THE_TEST_' });
    const exported = async () =>
      ((await (await fetch(`${controlPlane.statusUrl}/status`)).json()) as { config_export: { version: number } })
        .config_export.version;
    await until('version 1 is exported', async () => (await exported()) === 1);
    assert.ok(emulator.object('a-bucket', 'prod/vaultplane-config'));
    const publicKey = await controlPlane.exportKey();
    await program.kill('SIGKILL');

    const value = 'canary-value-of-the-import';
    const env = {
      ...storage,
      OF_THE_TEST_NAME: value,
      KONG_CLUSTER_FALLBACK_CONFIG_IMPORT: 'on',
      VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: publicKey,
    };
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, env);
    await dataPlane.start();
    assert.equal((await dataPlane.status()).config.source, 'fallback');
    assert.equal((await dataPlane.resolve('{vault://my-env/name}')).value, value);
  });
});
