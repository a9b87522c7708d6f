/** What either program says at its start under `cluster_mtls = shared`. */
export const SHARED_CERTIFICATE_COSTS =
  'cluster_mtls = shared: one certificate for all; whoever takes over one machine can pose as any data plane of the cluster, and as a control plane to data planes that do not know the export key yet. Set config_export_public_key on data planes, or give each program a certificate of its own with cluster_mtls = enrolled (docs/how-to/certificates.md)';
