-- Whose certificate an id of a data plane belongs to (cluster_mtls = pki): that of whoever came with it first.
create table data_plane_identities (
  node_id uuid primary key,
  -- Of the subject; empty where there is not exactly one.
  common_name text not null,
  -- SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal.
  public_key text not null,
  first_seen timestamptz not null default now()
);

-- When the row was written last, by the database's clock: clocks of control planes do not decide whose row is deleted.
alter table data_planes add column written_at timestamptz not null default now();
create index data_planes_written_at on data_planes (written_at);
