import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { ConfigStore } from './config-store.ts';
import type { Database } from './database.ts';
import { MIGRATIONS, migrate } from './migrations.ts';
import { describeOnBothDatabases } from './testing/stores.ts';
import { newVault } from './testing/vaults.ts';
import { ensureTimeline } from './timeline.ts';

const BEFORE = MIGRATIONS.slice(
  0,
  MIGRATIONS.findIndex(({ name }) => name.endsWith('-credentials-bound')),
);
const keyring = new Keyring([randomBytes(32)]);

const hcv = (host: string, token: string): VaultEntity => ({
  ...newVault(`v-${host}`),
  name: 'hcv',
  config: { host, token },
});

/** As 0.1.0 wrote it. */
function sealedAsBefore(vault: VaultEntity, keys = keyring) {
  const sealed = keys.seal(JSON.stringify(vault.config.token), `vault ${vault.id} config.token`);
  return { ...vault, config: { ...vault.config, token: { sealed } } };
}

async function insert(database: Database, vault: object): Promise<void> {
  await database.query('insert into vaults select * from jsonb_populate_record(null::vaults, $1::jsonb)', [
    JSON.stringify(vault),
  ]);
}

async function log(database: Database, version: number, before: object | null, after: object & { id: string }) {
  await database.query("insert into config_versions values ($1, now(), 'somebody', 'PUT /')", [version]);
  await database.query('insert into config_changes values ($1, $2, $3::jsonb, $4::jsonb)', [
    version,
    after.id,
    before && JSON.stringify(before),
    JSON.stringify(after),
  ]);
  await database.query('update config_state set version = $1', [version]);
}

async function databaseOfBefore(open: () => Promise<Database>): Promise<Database> {
  const database = await open();
  await migrate(database, undefined, BEFORE);
  await ensureTimeline(database);
  return database;
}

const unbound = (database: Database) =>
  database.query(
    `select from vaults where config::text like '%sealed%' and config::text not like '%binds%' union all
     select from config_changes where coalesce(before::text, '') || coalesce(after::text, '') like '%sealed%'
       and (before::text like '%sealed%' and before::text not like '%binds%'
         or after::text like '%sealed%' and after::text not like '%binds%')`,
  );

describeOnBothDatabases('credentials that 0.1.0 encrypted', (open) => {
  it('are bound to their destinations once, by whichever of several programs comes first, also in the log', async () => {
    const database = await databaseOfBefore(open);
    const [old, now] = [hcv('old.example', 'token-of-old'), hcv('new.example', 'token-of-new')];
    const vault = { ...now, id: old.id };
    await log(database, 1, null, sealedAsBefore(old));
    await log(database, 2, sealedAsBefore(old), sealedAsBefore(vault));
    await insert(database, sealedAsBefore(vault));
    await insert(database, newVault('without-any'));
    assert.ok((await unbound(database)).length > 0);

    await Promise.all([migrate(database, keyring), migrate(database, keyring), migrate(database, keyring)]);
    assert.deepEqual(await unbound(database), []);
    const store = new ConfigStore(database, systemClock, { keyring });
    assert.deepEqual((await store.find({ id: vault.id }))!.config, vault.config);
    // What it was, with the credential that it had.
    assert.deepEqual((await store.vaultsAt(1))!.find(({ id }) => id === old.id)!.config, old.config);
    assert.deepEqual(store.withheld((await store.load()).vaults), []);
    const written = await database.query('select config from vaults order by id');
    assert.deepEqual(await migrate(database, keyring), []);
    assert.deepEqual(await database.query('select config from vaults order by id'), written);
  });

  it('of more changes than one statement takes are all bound', async () => {
    const database = await databaseOfBefore(open);
    const vault = hcv('one.example', 'token');
    const sealed = JSON.stringify(sealedAsBefore(vault));
    await database.query(
      "insert into config_versions select n, now(), 'somebody', 'PUT /' from generate_series(1, 1201) as n",
    );
    await database.query(
      'insert into config_changes select n, $1::uuid, $2::jsonb, $2::jsonb from generate_series(1, 1201) as n',
      [vault.id, sealed],
    );
    await migrate(database, keyring);
    assert.deepEqual(await unbound(database), []);
  });

  it('stop the upgrade where their key is not there, and nothing of them is lost', async () => {
    const database = await databaseOfBefore(open);
    const vault = hcv('one.example', 'token');
    await insert(database, sealedAsBefore(vault));
    const before = await database.query('select config from vaults');
    for (const [keys, how] of [
      [undefined, / \(it is not set\)/],
      [new Keyring([randomBytes(32)]), /does not hold;/],
    ] as const) {
      await assert.rejects(migrate(database, keys), (error: Error) => {
        assert.equal(error.name, 'StartError');
        assert.match(error.message, /config\.token of the vault v-one\.example is encrypted under key [0-9a-f]{16}/);
        assert.match(error.message, how);
        return true;
      });
      assert.deepEqual(await database.query('select config from vaults'), before);
    }
    await migrate(database, keyring);
    const store = new ConfigStore(database, systemClock, { keyring });
    assert.equal((await store.find({ id: vault.id }))!.config.token, 'token');
  });

  it('stay as they are where they are of another vault, or no credential at all, and are withheld', async () => {
    const database = await databaseOfBefore(open);
    const [vault, broken] = [hcv('one.example', 'token'), hcv('two.example', 'x')];
    await insert(database, { ...sealedAsBefore(vault), id: randomUUID() });
    await insert(database, { ...broken, config: { ...broken.config, token: { sealed: { key: 5 } } } });
    await log(database, 1, null, sealedAsBefore(vault, new Keyring([randomBytes(32)])));
    const before = await database.query('select config from vaults order by id');
    await migrate(database, keyring);
    assert.deepEqual(await database.query('select config from vaults order by id'), before);
    const store = new ConfigStore(database, systemClock, { keyring });
    const reasons = store.withheld((await store.load()).vaults).map(({ reason }) => reason);
    assert.equal(reasons.length, 2);
    assert.ok(reasons.some((reason) => /config\.token is bound to no destination/.test(reason)));
  });
});
