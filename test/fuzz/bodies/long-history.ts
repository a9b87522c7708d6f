import { mkdirSync } from 'node:fs';
import { openEmbeddedDatabase } from '@vaultplane/control-plane/store/embedded-database.ts';
import { storeOn } from '@vaultplane/control-plane/store/testing/stores.ts';

/** As many as one document may have. */
export const VAULTS = 10_000;
/** Each has changed every vault. */
export const VERSIONS = 12;

/** Fills an embedded database with a configuration as large as it may be, all of which each of its versions has changed. */
export async function writeLongHistory(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const database = await openEmbeddedDatabase(dataDir);
  try {
    await storeOn(database);
    await database.script(HISTORY);
  } finally {
    await database.close();
  }
}

const AT_VERSION = (version: string) =>
  `to_jsonb(vaults) || jsonb_build_object('description', 'of ' || prefix || ' at ' || ${version}, 'updated_at', 1700000000 + ${version})`;

const HISTORY = `
  insert into vaults (id, prefix, name, description, config, tags, created_at, updated_at)
    select gen_random_uuid(), 'v' || n || 'a', 'aws', 'of v' || n || 'a at ${VERSIONS}',
      '{"region": "us-east-1", "ttl": 60}', array['a', 'b' || n], 1700000000, 1700000000 + ${VERSIONS}
    from generate_series(1, ${VAULTS}) as n;
  insert into config_versions (version, made_at, actor, action)
    select version, now(), 'an-editor', 'POST /config' from generate_series(1, ${VERSIONS}) as version;
  insert into config_changes (version, vault_id, before, after)
    select version, id, case when version > 1 then ${AT_VERSION('(version - 1)')} end, ${AT_VERSION('version')}
    from generate_series(1, ${VERSIONS}) as version, vaults;
  update config_state set version = ${VERSIONS};
`;
