alter table data_planes add column vault_counts jsonb;

-- What the data planes of one control plane hold, summed up by secret: one row a control plane, rewritten as a whole, so
-- that its size goes with the number of secrets and not with that of data planes.
create table reference_tallies (
  control_plane_id uuid primary key,
  -- Data planes that tell of references, and those of them that have told of all.
  data_planes integer not null,
  complete integer not null,
  -- cluster/reference-census.ts says what is in it.
  tallies jsonb not null,
  -- By the database's clock. A row that is not renewed is of a control plane that has gone.
  seen_at timestamptz not null default now()
);

-- What data planes are told to do now, by whichever control plane they are connected to.
create table fleet_commands (
  id uuid primary key,
  -- By the database's clock: control planes take up only what is new.
  made_at timestamptz not null default now(),
  actor text not null,
  command text not null,
  vault text not null,
  -- Names of secrets; null: all of the vault.
  paths text[],
  -- How the caller named them.
  path text,
  spread_ms integer not null
);
create index fleet_commands_made_at on fleet_commands (made_at);

create table fleet_command_results (
  command_id uuid not null references fleet_commands (id) on delete cascade,
  control_plane_id uuid not null,
  -- Data planes that it was sent to, that have done it, that would not, and that were gone before they answered.
  sent integer not null,
  done integer not null,
  refused integer not null,
  lost integer not null,
  -- Why some would not; a few.
  reasons jsonb not null,
  -- Secrets, summed up over data planes.
  asked integer not null,
  refreshed integer not null,
  changed integer not null,
  failed integer not null,
  primary key (command_id, control_plane_id)
);
