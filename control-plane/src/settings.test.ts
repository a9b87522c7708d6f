import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SETTING_KEYS } from '@vaultplane/shared/setting-keys.ts';
import { CONTROL_PLANE_SETTINGS, loadControlPlaneSettings } from './settings.ts';

it('every key of the control plane is one of the contract', () => {
  for (const key of Object.keys(CONTROL_PLANE_SETTINGS)) assert.ok(SETTING_KEYS.has(key), key);
});

it('without any setting the control plane is embedded, and reached from this machine only, but for its cluster link', async () => {
  const settings = await loadControlPlaneSettings({ env: {} });
  assert.equal(settings.database, 'embedded');
  assert.deepEqual(settings.admin_listen, { host: '127.0.0.1', port: 8001 });
  assert.deepEqual(settings.status_listen, { host: '127.0.0.1', port: 8107 });
  assert.deepEqual(settings.cluster_listen, { host: '0.0.0.0', port: 8005 });
  assert.equal(settings.data_dir, './data/cp');
});

it('settings that need each other are refused alone, by name', async () => {
  for (const [env, said] of [
    [{ VAULTPLANE_CLUSTER_CERT: '/x' }, /cluster_cert and cluster_cert_key/],
    [{ VAULTPLANE_ADMIN_SSL_CERT_KEY: '/x' }, /admin_ssl_cert and admin_ssl_cert_key/],
    [{ KONG_CLUSTER_MTLS: 'pki' }, /cluster_mtls = pki needs cluster_ca_cert/],
  ] as const) {
    await assert.rejects(loadControlPlaneSettings({ env }), (error: Error) => {
      assert.equal(error.name, 'StartError');
      assert.match(error.message, said);
      return true;
    });
  }
});

it('a bad value of a secret setting is not repeated', async () => {
  await assert.rejects(
    loadControlPlaneSettings({ env: { VAULTPLANE_PG_PORT: '99999', VAULTPLANE_PG_PASSWORD: 'canary' } }),
    (error: Error) => /pg_port/.test(error.message) && !/canary/.test(error.message),
  );
});
