-- Credentials that are encrypted in a vault's config are bound to the vault's destination; bind-credentials.ts has done so to
-- those that were there. A control plane of 0.1.0 that still runs binds none, and so it can't write one any more.
-- What could not be bound, since it belongs to no vault as it stands, may stay: hence not valid.
alter table vaults add constraint vaults_credentials_bound
  check (not jsonb_path_exists(config, '$.* ? (exists (@.sealed) && !exists (@.binds))')) not valid;
