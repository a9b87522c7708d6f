import { VAULT_SETTINGS } from './vaults/vault-settings.ts';

/**
 * Every key of specification.md §2, and those that came after it, of both programs, since one file may serve both: each program reads its own keys and skips
 * the other's, and only a key that is nobody's is an error. A test holds the programs' schemas to this list.
 */
export const SETTING_KEYS: ReadonlySet<string> = new Set([
  ...Object.entries(VAULT_SETTINGS).flatMap(([key, { aliases = [] }]) => [key, ...aliases]),
  ...`
  data_dir log_level status_listen status_ssl_cert status_ssl_cert_key
  database pg_host pg_port pg_user pg_password pg_database pg_ssl pg_ssl_verify pg_ssl_ca
  admin_listen manager_path admin_token admin_ssl_cert admin_ssl_cert_key
  cluster_listen cluster_cert cluster_cert_key cluster_mtls cluster_ca_cert cluster_allowed_common_names
  cluster_strict_usage cluster_certificate_ttl cluster_renewal_grace cluster_join_token cluster_join_token_file
  cluster_data_plane_purge_delay
  cluster_control_plane cluster_dp_labels cluster_server_name proxy_server
  api_listen api_ssl_cert api_ssl_cert_key api_unix_socket api_token_file api_policies upstream_policy
  ssl_trusted_certificate lua_ssl_trusted_certificate upstream_connect_timeout upstream_timeout
  metrics_secret_names otel_traces_endpoint
  cache_max_entries cache_max_bytes prefetch secrets_persist secrets_key_file
  config_export_url config_export_key_file config_fallback_url config_export_public_key
  keyring_key_file config_versions_kept audit_log_record_ttl
  `
    .trim()
    .split(/\s+/),
]);
