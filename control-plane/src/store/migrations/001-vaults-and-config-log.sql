-- The one row that orders all changes: a writer locks it first, so versions become visible in their order.
create table config_state (
  only_row boolean primary key default true check (only_row),
  -- Made with the database and anew when a backup of it is restored (store/timeline.ts).
  timeline uuid not null,
  -- What the server said of itself when the timeline was made.
  origin text not null,
  -- The version of the newest change; 0 before the first.
  version bigint not null default 0 check (version >= 0)
);

create table vaults (
  id uuid primary key,
  prefix text not null unique,
  name text not null,
  description text,
  -- Exactly the members that were set.
  config jsonb not null,
  tags text[],
  -- Whole seconds since 1970, as in answers.
  created_at bigint not null,
  updated_at bigint not null
);
create index vaults_tags on vaults using gin (tags);

create table config_versions (
  version bigint primary key,
  made_at timestamptz not null,
  actor text not null,
  action text not null
);

-- What a version changed: the entities whole, before (null: not there) and after (null: gone).
create table config_changes (
  version bigint not null references config_versions (version),
  vault_id uuid not null,
  before jsonb,
  after jsonb,
  primary key (version, vault_id)
);

create table audit_requests (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor text not null,
  role text not null,
  remote_address text,
  method text not null,
  path text not null,
  version_before bigint not null,
  version_after bigint not null
);
create index audit_requests_at on audit_requests (at);
