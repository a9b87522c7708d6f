import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureSharedCertificate } from '@vaultplane/control-plane/fleet/certificates.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

/** Without a writer: to open it as a file would never return. */
describe('a setting that names a pipe in place of a file', () => {
  let deployment: Deployment;
  let controlPlane: ControlPlane;
  let dataPlane: DataPlane;
  let pipe: string;
  let certificate: NodeJS.ProcessEnv;
  before(async () => {
    deployment = new Deployment();
    controlPlane = await deployment.planControlPlane('cp');
    const { certificateFile, keyFile } = await ensureSharedCertificate(deployment.folder);
    certificate = { VAULTPLANE_CLUSTER_CERT: certificateFile, VAULTPLANE_CLUSTER_CERT_KEY: keyFile };
    dataPlane = await deployment.planDataPlane('dp', controlPlane);
    pipe = join(deployment.folder, 'pipe.pem');
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  });
  after(() => deployment.stop());

  const assertRefused = (main: string, env: NodeJS.ProcessEnv, setting: string, more: NodeJS.ProcessEnv = {}) => {
    const { status, signal, stderr } = spawnSync(process.execPath, ['--disable-sigusr1', main, 'start'], {
      env: { ...env, ...certificate, ...more, [`VAULTPLANE_${setting.toUpperCase()}`]: pipe },
      encoding: 'utf8',
      timeout: 30_000,
      killSignal: 'SIGKILL',
    });
    assert.equal(signal, null, `${setting}: it hangs`);
    assert.equal(status, 1, stderr);
    assert.match(stderr, new RegExp(`^vaultplane-.*${setting}.*it is a pipe, not a regular file.*$`, 'm'));
  };

  for (const [setting, more] of [
    ['api_token_file', {}],
    ['api_policies', {}],
    ['secrets_key_file', { VAULTPLANE_SECRETS_PERSIST: 'on' }],
    ['config_export_public_key', {}],
    ['cluster_cert', {}],
    ['cluster_cert_key', {}],
  ] as const) {
    it(`${setting} is refused by a data plane in one line`, () => {
      assertRefused(DATA_PLANE_MAIN, dataPlane.env, setting, more);
    });
  }

  for (const setting of ['keyring_key_file', 'config_export_key_file', 'cluster_cert', 'cluster_cert_key']) {
    it(`${setting} is refused by a control plane in one line`, () => {
      assertRefused(CONTROL_PLANE_MAIN, controlPlane.env, setting);
    });
  }
});
