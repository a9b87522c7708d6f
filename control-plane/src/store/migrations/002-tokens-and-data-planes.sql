create table tokens (
  -- The first part of the token itself; not secret.
  id text primary key,
  role text not null check (role in ('admin', 'editor', 'reader')),
  name text,
  salt bytea not null,
  -- scrypt over the token's secret part.
  hash bytea not null,
  created_at timestamptz not null
);

create table data_planes (
  id uuid primary key,
  hostname text not null,
  ip text,
  version text not null,
  protocol integer not null,
  labels jsonb not null,
  -- Of the configuration that it has acknowledged last; null before.
  config_timeline uuid,
  config_version bigint,
  config_hash text,
  sync_status text not null,
  reference_counts jsonb,
  rejected_vaults jsonb,
  cert_expires_at timestamptz,
  -- Which control plane it is, or was last, connected to.
  control_plane_id uuid not null,
  connected boolean not null,
  connected_at timestamptz not null,
  last_seen timestamptz not null
);
create index data_planes_last_seen on data_planes (last_seen);
