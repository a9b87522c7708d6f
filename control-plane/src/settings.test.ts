import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { SETTING_KEYS } from '@vaultplane/model/settings/setting-keys.ts';
import type { SettingsSchema } from '@vaultplane/platform/settings/settings.ts';
import { loadControlPlaneSettings } from './settings.ts';

it('the keys of the control plane, other names too, are known to both programs', () => {
  const schema: SettingsSchema = CONTROL_PLANE_SETTINGS;
  for (const [key, { aliases = [] }] of Object.entries(schema)) {
    for (const name of [key, ...aliases]) assert.ok(SETTING_KEYS.has(name), name);
  }
});

it('has the defaults of the specification, and no others', async () => {
  const settings = await loadControlPlaneSettings({ env: {} });
  assert.deepEqual(
    [settings.log_level, settings.pg_host, settings.pg_port, settings.pg_user, settings.pg_database],
    ['info', '127.0.0.1', 5432, 'vaultplane', 'vaultplane'],
  );
  assert.deepEqual([settings.pg_ssl, settings.pg_ssl_verify, settings.cluster_mtls], [false, true, 'shared']);
  const unset: Array<keyof typeof settings> = [
    'pg_password',
    'pg_ssl_ca',
    'admin_token',
    'admin_ssl_cert',
    'cluster_cert',
    'vault_aws_region',
  ];
  for (const key of unset) assert.equal(settings[key], undefined, key);
});

it('KONG_ names a setting too, and VAULTPLANE_ goes before it', async () => {
  const env = { KONG_PG_HOST: 'kong', KONG_PG_DATABASE: 'kong', VAULTPLANE_PG_HOST: 'vaultplane' };
  const settings = await loadControlPlaneSettings({ env });
  assert.deepEqual([settings.pg_host, settings.pg_database], ['vaultplane', 'kong']);
});

it('without any setting the control plane is embedded, and reached from this machine only, but for its cluster link', async () => {
  const settings = await loadControlPlaneSettings({ env: {} });
  assert.equal(settings.database, 'embedded');
  assert.deepEqual(settings.admin_listen, [{ host: '127.0.0.1', port: 8001, ssl: false }]);
  assert.deepEqual(settings.status_listen, [{ host: '127.0.0.1', port: 8107, ssl: false }]);
  assert.deepEqual(settings.cluster_listen, [{ host: '0.0.0.0', port: 8005, ssl: false }]);
  assert.equal(settings.data_dir, './data/cp');
});

it('settings that need each other are refused alone, by name', async () => {
  for (const [env, said] of [
    [{ VAULTPLANE_CLUSTER_CERT: '/x' }, /cluster_cert and cluster_cert_key/],
    [{ VAULTPLANE_ADMIN_SSL_CERT_KEY: '/x' }, /admin_ssl_cert and admin_ssl_cert_key/],
    [{ KONG_CLUSTER_MTLS: 'pki' }, /cluster_mtls = pki needs cluster_ca_cert/],
    [{ KONG_CLUSTER_MTLS: 'pki_check_cn' }, /cluster_mtls = pki_check_cn needs cluster_ca_cert/],
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
