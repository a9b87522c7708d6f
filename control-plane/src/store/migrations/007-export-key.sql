-- The key by which this database's control planes sign exports and prove themselves to data planes.
create table export_key (
  only_row boolean primary key default true check (only_row),
  -- Under a key of keyring_key_file: {"key": its name, "data": base64}. Never in the clear.
  sealed jsonb not null,
  made_at timestamptz not null default now()
);
