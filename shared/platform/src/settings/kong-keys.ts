/**
 * Keys of Kong Gateway 3.x's own kong.conf that mean nothing here: a file, or an environment, that has them starts all the
 * same, with a warning that names them. Source: kong.conf.default, and the defaults of Kong Gateway Enterprise.
 */
const NAMES: ReadonlySet<string> = new Set(
  `
  prefix proxy_access_log proxy_error_log proxy_stream_access_log proxy_stream_error_log admin_access_log admin_error_log
  admin_gui_access_log admin_gui_error_log status_access_log status_error_log debug_access_log debug_error_log vaults
  plugins port_maps host_ports anonymous_reports error_template_html error_template_json
  error_template_xml error_template_plain node_id enforce_rbac rbac_auth_header vitals vitals_flush_interval
  vitals_delete_interval_pg vitals_ttl_seconds vitals_ttl_minutes vitals_ttl_days vitals_strategy vitals_statsd_address
  vitals_statsd_prefix vitals_statsd_udp_packet_size vitals_tsdb_address vitals_tsdb_user vitals_tsdb_password
  vitals_prometheus_scrape_interval analytics_flush_interval analytics_buffer_size_limit analytics_debug konnect_mode
  portal proxy_url audit_log audit_log_ignore_methods audit_log_ignore_paths audit_log_ignore_tables audit_log_signing_key
  audit_log_payload_exclude proxy_listen stream_listen admin_gui_listen debug_listen debug_listen_local cluster_ocsp
  cluster_max_payload lmdb_environment_path lmdb_map_size mem_cache_size worker_events_max_payload
  ssl_cert ssl_cert_key client_ssl client_ssl_cert client_ssl_cert_key ssl_cipher_suite ssl_ciphers ssl_protocols
  ssl_prefer_server_ciphers ssl_dhparam ssl_session_tickets ssl_session_timeout ssl_session_cache_size admin_gui_ssl_cert
  admin_gui_ssl_cert_key admin_gui_ssl_protocols debug_ssl_cert debug_ssl_cert_key headers headers_upstream trusted_ips
  error_default_type upstream_keepalive_pool_size upstream_keepalive_max_requests upstream_keepalive_idle_timeout
  allow_debug_header client_body_buffer_size client_max_body_size real_ip_header real_ip_recursive pg_schema pg_timeout
  pg_iam_auth pg_ssl_required pg_ssl_version pg_ssl_cert pg_ssl_cert_key pg_max_concurrent_queries pg_semaphore_timeout
  pg_keepalive_timeout pg_pool_size pg_backlog declarative_config declarative_config_string db_update_frequency
  db_update_propagation db_cache_ttl db_cache_neg_ttl db_resurrect_ttl db_cache_warmup_entities dns_resolver dns_hostsfile
  dns_order dns_valid_ttl dns_stale_ttl dns_cache_size dns_not_found_ttl dns_error_ttl dns_no_sync legacy_dns_client
  resolver_address resolver_hosts_file resolver_family resolver_valid_ttl resolver_stale_ttl resolver_error_ttl
  resolver_lru_cache_size resolver_mem_cache_size privileged_agent privileged_worker dedicated_config_processing
  worker_consistency worker_state_update_frequency router_consistency router_flavor lua_socket_pool_size
  lua_ssl_verify_depth lua_ssl_protocols lua_package_path lua_package_cpath lua_max_req_headers lua_max_resp_headers
  lua_max_uri_args lua_max_post_args concurrency_timeout feature_conf_path smtp_admin_emails smtp_mock tracing
  tracing_write_endpoint tracing_write_strategy tracing_time_threshold tracing_types tracing_debug_header
  generate_trace_details route_validation_strategy enforce_route_path_pattern keyring_enabled keyring_blob_path
  keyring_public_key keyring_private_key keyring_strategy keyring_recovery_public_key event_hooks_enabled fips role kic
  pluginserver_names cluster_telemetry_listen cluster_telemetry_endpoint cluster_telemetry_server_name cluster_rpc
  cluster_rpc_sync cluster_incremental_sync untrusted_lua untrusted_lua_sandbox_requires untrusted_lua_sandbox_environment
  admin_gui_url admin_gui_path admin_gui_api_url admin_gui_csp_header admin_gui_origin admin_gui_flags admin_gui_auth
  admin_gui_auth_conf admin_gui_auth_header admin_gui_auth_password_complexity admin_gui_session_conf
  admin_gui_auth_login_attempts admin_gui_header_txt admin_gui_header_bg_color admin_gui_header_txt_color
  admin_gui_footer_txt admin_gui_footer_bg_color admin_gui_footer_txt_color admin_gui_login_banner_title
  admin_gui_login_banner_body admin_api_uri admin_approved_email admin_emails_from admin_emails_reply_to
  admin_invitation_expiry allow_inconsistent_data_plane_plugins openresty_path opentelemetry_tracing
  opentelemetry_tracing_sampling_rate tracing_instrumentations tracing_sampling_rate
  cluster_fallback_export_s3_config wasm wasm_filters_path wasm_dynamic_module wasm_filters proxy_wasm request_debug
  request_debug_token nginx_user nginx_worker_processes nginx_daemon license_path license_data
  `
    .trim()
    .split(/\s+/),
);

/** Keys that Kong makes up from these: nginx's directives, other databases, the portal, plugins' servers. */
const PREFIXES = /^(?:nginx_[a-z]+|pluginserver|pg_ro|portal|smtp|keyring_vault|vault_(?:azure|conjur))_/;

/** What Kong's image and its installers set for themselves: KONG_VERSION, KONG_PREFIX and such, in lower case. */
const OF_THE_IMAGE = /^(?:version|sha256|asset|plugin_home|license.*|edition|image|repo|docker.*)$/;

/** Whether Kong itself knows a key. */
export function isKongKey(name: string): boolean {
  return NAMES.has(name) || PREFIXES.test(name);
}

/** Whether `KONG_<NAME>` is Kong's own in an environment. */
export function isKongVariable(name: string): boolean {
  return isKongKey(name) || OF_THE_IMAGE.test(name);
}
