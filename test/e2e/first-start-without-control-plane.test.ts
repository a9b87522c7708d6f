import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { Deployment } from './deployment.ts';

const REFERENCE = '{vault://aws-sm-vault/secret-name/foo}';
const VALUE = 'canary-value-of-the-fallback-test';

let emulator: Emulator;
let deployment: Deployment;
before(async () => {
  emulator = await startEmulator();
  emulator.putSecret(emulator.region, 'secret-name', { foo: VALUE });
  emulator.addBucket('vaultplane-config');
  deployment = new Deployment();
});
after(async () => {
  await deployment?.stop();
  await emulator?.stop();
});

it('a data plane that starts for the first time during a control plane outage works from what is in S3, then gives way', async () => {
  const url = 's3://vaultplane-config/prod/config.export';
  const cp = await deployment.planControlPlane('cp', { ...emulator.environment, VAULTPLANE_CONFIG_EXPORT_URL: url });
  let controlPlane = await cp.start();
  await cp.putVault('aws-sm-vault', { name: 'aws', 'config.region': emulator.region });
  await emulator.waitForCalls({ service: 's3', operation: 'PutObject' }, 1);
  const exportedVersion = async () =>
    ((await (await fetch(`${cp.statusUrl}/status`)).json()) as { config_export: { version: number } }).config_export
      .version;
  await until('version 1 is exported', async () => (await exportedVersion()) === 1);
  const environment = {
    ...emulator.environment,
    VAULTPLANE_CONFIG_FALLBACK_URL: url,
    VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: await cp.exportKey(),
  };
  await controlPlane.kill('SIGKILL');

  const dp = await deployment.planDataPlane('dp', cp, environment);
  const dataPlane = await dp.start();
  const status = await dp.status();
  assert.deepEqual([status.config.source, status.config.version], ['fallback', 1]);
  assert.equal((await dp.resolve(REFERENCE)).value, VALUE);

  // The control plane comes back, with something newer.
  controlPlane = await cp.start();
  await cp.putVault('another', { name: 'env' });
  await dp.until(({ config }) => config.version === 2 && config.source === 'control_plane');
  assert.equal((await dp.resolve(REFERENCE)).value, VALUE);

  // What somebody else has put there is taken by nobody.
  const forged = Buffer.from(emulator.object('vaultplane-config', 'prod/config.export')!);
  forged[forged.length - 1]! ^= 1;
  await Promise.all([controlPlane.stop(), dataPlane.stop()]);
  emulator.putObject('vaultplane-config', 'prod/config.export', forged);
  const another = await deployment.planDataPlane('dp-2', cp, environment);
  await another.startUnready();
  await another.until(({ config }) => config.fallback_problem !== null);
  const refused = await another.status();
  assert.match(refused.config.fallback_problem ?? '', /^s3:.*it is not signed by the export key/);
  assert.equal(refused.config.version, null);
  assert.equal((await another.resolve(REFERENCE)).error?.code, 'not_ready');
  assert.deepEqual(deployment.filesWith([VALUE]), []);
});
