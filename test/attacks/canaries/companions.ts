import type { Files } from './scene.ts';

/** What else has to be set for a setting to be used, by the setting's name or what that begins with. */
export function companionsOf(key: string, files: Files): Record<string, string> {
  const { certFile, keyFile, secretsKeyFile } = files;
  const rules: Array<[RegExp, Record<string, string>]> = [
    [/^cluster_(ca_cert|allowed_common_names|server_name)$/, { cluster_mtls: 'pki', cluster_ca_cert: certFile }],
    [/^api_ssl_cert/, { api_ssl_cert: certFile, api_ssl_cert_key: keyFile }],
    [/^status_ssl_cert/, { status_ssl_cert: certFile, status_ssl_cert_key: keyFile }],
    [/^admin_ssl_cert/, { admin_ssl_cert: certFile, admin_ssl_cert_key: keyFile }],
    [/^pg_/, { database: 'postgres', pg_host: '127.0.0.1', pg_port: '1' }],
    [/^pg_ssl/, { pg_ssl: 'on' }],
    [/^secrets_/, { secrets_key_file: secretsKeyFile, secrets_persist: 'on' }],
    [/^vault_hcv_/, { vault_hcv_host: '127.0.0.1', vault_hcv_port: '1', vault_hcv_token: 'a-token' }],
    [/^vault_hcv_kube/, { vault_hcv_auth_method: 'kubernetes', vault_hcv_kube_role: 'role' }],
    [/^vault_hcv_approle/, { vault_hcv_auth_method: 'approle', vault_hcv_approle_role_id: 'role' }],
    [/^vault_hcv_approle_role_id/, { vault_hcv_approle_secret_id: 'an-id' }],
    [/^vault_hcv_jwt/, { vault_hcv_auth_method: 'jwt' }],
    [/^vault_hcv_jwt_(role|auth)/, { vault_hcv_jwt_token: 'a-token' }],
    [
      /^vault_hcv_(cert|ca)/,
      {
        vault_hcv_auth_method: 'cert',
        vault_hcv_protocol: 'https',
        vault_hcv_cert_auth_cert: certFile,
        vault_hcv_cert_auth_cert_key: keyFile,
      },
    ],
    [/^vault_gcp_/, { vault_gcp_endpoint_url: 'http://127.0.0.1:1', vault_gcp_project_id: 'a-project' }],
    [/^vault_aws_sts/, { vault_aws_assume_role_arn: 'arn:aws:iam::123456789012:role/app' }],
    [/^vault_aws_role_session/, { vault_aws_assume_role_arn: 'arn:aws:iam::123456789012:role/app' }],
  ];
  return Object.assign({}, ...rules.filter(([form]) => form.test(key)).map(([, settings]) => settings));
}
