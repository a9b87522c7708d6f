-- The cluster's own certificate authority (cluster_mtls = enrolled).
create table certificate_authority (
  only_row boolean primary key default true check (only_row),
  -- PEM.
  certificate text not null,
  -- PKCS #8, encrypted under keyring_key_file, bound to the certificate's public key.
  sealed_key jsonb not null,
  created_at timestamptz not null default now()
);

create table invitations (
  -- The first part of the token; not secret.
  id text primary key,
  -- SHA-256 of the token's secret part, which is 256 random bits.
  secret_hash bytea not null,
  -- Of the nodes that join by it.
  name text,
  labels jsonb not null,
  -- How many nodes may join; null: any number.
  uses integer,
  used integer not null default 0,
  created_by text not null,
  created_at timestamptz not null default now(),
  -- By the database's clock; null: never.
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Data planes that have joined.
create table nodes (
  id uuid primary key,
  name text,
  labels jsonb not null,
  -- By which it has joined; that may be gone.
  invitation_id text not null,
  joined_at timestamptz not null default now(),
  revoked_at timestamptz,
  -- Of its newest certificate.
  newest_serial text not null
);

create table node_certificates (
  -- Hexadecimal, lower case.
  serial text primary key,
  node_id uuid not null references nodes (id) on delete cascade,
  -- The serial of the certificate that this one replaces; null for a node's first.
  renewed_from text,
  -- SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal.
  public_key text not null,
  -- PEM; a repeated request gets the same again.
  certificate text not null,
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- When a link was first opened with it: what it has replaced is refused from then on.
  first_used_at timestamptz
);
create index node_certificates_node_id on node_certificates (node_id);
create index node_certificates_public_key on node_certificates (public_key);
