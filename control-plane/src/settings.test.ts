import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SETTING_KEYS } from '@vaultplane/shared/setting-keys.ts';
import type { SettingsSchema } from '@vaultplane/shared/settings.ts';
import { CONTROL_PLANE_SETTINGS, loadControlPlaneSettings } from './settings.ts';

/** CONTRACT.md §2's keys of the control plane and of both programs, with their aliases; and the deadlines of vaults. */
const OF_THE_CONTRACT = `
  data_dir log_level status_listen status_ssl_cert status_ssl_cert_key
  database pg_host pg_port pg_user pg_password pg_database pg_ssl pg_ssl_verify pg_ssl_ca
  admin_listen admin_token admin_ssl_cert admin_ssl_cert_key
  cluster_listen cluster_cert cluster_cert_key cluster_mtls cluster_ca_cert cluster_allowed_common_names
  vault_aws_region vault_aws_endpoint_url vault_aws_assume_role_arn vault_aws_role_session_name
  vault_aws_sts_endpoint_url vault_aws_ttl vault_aws_neg_ttl vault_aws_resurrect_ttl vault_aws_allowed_role_arns
  vault_env_prefix vault_env_ttl vault_env_neg_ttl vault_env_resurrect_ttl
  vault_gcp_endpoint_url vault_gcp_neg_ttl vault_gcp_project_id vault_gcp_resurrect_ttl vault_gcp_service_account
  vault_gcp_ttl vault_hcv_approle_auth_path vault_hcv_approle_response_wrapping vault_hcv_approle_role_id
  vault_hcv_approle_secret_id vault_hcv_approle_secret_id_file vault_hcv_auth_method vault_hcv_ca_cert
  vault_hcv_cert_auth_cert vault_hcv_cert_auth_cert_key vault_hcv_cert_auth_path vault_hcv_cert_auth_role_name
  vault_hcv_host vault_hcv_jwt_auth_path vault_hcv_jwt_role vault_hcv_jwt_token vault_hcv_jwt_token_file
  vault_hcv_kube_api_token_file vault_hcv_kube_auth_path vault_hcv_kube_role vault_hcv_kv vault_hcv_mount
  vault_hcv_namespace vault_hcv_neg_ttl vault_hcv_port vault_hcv_protocol vault_hcv_resurrect_ttl vault_hcv_token
  vault_hcv_ttl
  vault_aws_base64_decode vault_aws_decode_base64 vault_env_base64_decode vault_env_decode_base64
  vault_gcp_base64_decode vault_gcp_decode_base64 vault_hcv_base64_decode vault_hcv_decode_base64
  ssl_trusted_certificate lua_ssl_trusted_certificate config_export_url config_export_key_file
  secrets_persist secrets_key_file
  upstream_connect_timeout upstream_timeout
  keyring_key_file config_versions_kept audit_log_record_ttl otel_traces_endpoint manager_path
  cluster_strict_usage cluster_certificate_ttl cluster_renewal_grace cluster_data_plane_purge_delay
`
  .trim()
  .split(/\s+/);

it('the keys of the control plane, other names too, are those of the contract', () => {
  const schema: SettingsSchema = CONTROL_PLANE_SETTINGS;
  const own = Object.entries(schema).flatMap(([key, { aliases = [] }]) => [key, ...aliases]);
  assert.deepEqual(own.sort(), OF_THE_CONTRACT.sort());
  for (const key of own) assert.ok(SETTING_KEYS.has(key), key);
});

it('the contract has no default that the control plane has not', async () => {
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
