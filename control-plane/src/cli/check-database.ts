import { randomUUID } from 'node:crypto';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { sealedMembers } from '@vaultplane/model/vaults/sealed-vault.ts';
import { CREDENTIAL_ADVICE } from '@vaultplane/model/vaults/sensitive.ts';
import { doubtsOf } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { DataDirInUse } from '@vaultplane/platform/files/data-dir-lock.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { Database, Queryable } from '../store/database.ts';
import { databaseProblem } from '../store/database-problem.ts';
import { keyringOf } from '../store/keyring-file.ts';
import { migrateIn, migrationStatus, tablesOf } from '../store/migrations.ts';
import { openDatabase } from '../store/open-store.ts';
import { type StoredVault, VaultSealing } from '../store/vault-sealing.ts';
import { VAULT_COLUMNS } from '../store/vaults-in-transaction.ts';
import type { Finding } from './finding.ts';
import { isNotMadeYet } from './migrate.ts';

/** Another control plane's transaction, for which a migration would have to wait. */
const LOCK_TIMEOUT = '5s';
const NOTIFICATION_TIMEOUT_MS = 5000;
const RIGHTS = ['select', 'insert', 'update', 'delete'];

/** Vaults whose configuration has credentials in it, and whether the keyring opens them. */
async function checkCredentials(database: Database, sealing: VaultSealing): Promise<Finding[]> {
  const vaults = await database.query<StoredVault>(`select ${VAULT_COLUMNS} from vaults order by prefix`);
  return vaults
    .filter((vault) => sealedMembers(vault).length > 0)
    .map((vault) => {
      const fault = sealing.faultOf(vault);
      return { what: `credentials of vault ${vault.prefix}`, ok: !fault, says: fault ?? CREDENTIAL_ADVICE };
    });
}

/** One that can't be read is another finding. */
function sealingOf(settings: ControlPlaneSettings): VaultSealing {
  try {
    return new VaultSealing(keyringOf(settings));
  } catch {
    return new VaultSealing(undefined);
  }
}

/**
 * The database, and whether a start is let do there what it does: all of it is tried, in a transaction that is rolled back.
 */
export async function checkDatabase(settings: ControlPlaneSettings): Promise<Finding[]> {
  const what = 'database';
  if (isNotMadeYet(settings))
    return [{ what, ok: true, says: `${shownPath(settings.data_dir)}/db will be made at the start` }];
  try {
    const database = await openDatabase(settings, silentLog, systemClock);
    try {
      const { applied, latest, pending } = await migrationStatus(database);
      const rest = pending.length > 0 ? `; the start brings it to ${latest}` : '';
      await rehearse(database, settings);
      const finding = { what, ok: true, says: `${settings.database}, schema ${applied}${rest}` };
      return [
        finding,
        ...(database.kind === 'postgres' ? [await checkNotifications(database)] : []),
        ...(applied === latest ? await checkCredentials(database, sealingOf(settings)) : []),
        ...(applied === latest ? await checkVaults(database) : []),
      ];
    } finally {
      await database.close();
    }
  } catch (error) {
    if (error instanceof DataDirInUse) {
      return [{ what, ok: true, says: `${shownPath(settings.data_dir)}/db is open in a control plane that runs` }];
    }
    return [{ what, ok: false, says: errorMessage(databaseProblem(error) ?? error) }];
  }
}

/** Of vaults, what may be wrong with them. */
async function checkVaults(database: Database): Promise<Finding[]> {
  const vaults = await database.query<StoredVault>(`select ${VAULT_COLUMNS} from vaults order by prefix`);
  return vaults.flatMap(({ prefix, name, config }) =>
    doubtsOf(VAULT_TYPES.get(name), config as VaultConfig).map((doubt) => ({
      what: `vault ${prefix}`,
      ok: true,
      says: `WARNING: ${doubt}`,
    })),
  );
}

/** Ends the transaction in which everything was tried. */
class Rehearsed extends Error {}

/** @throws StartError, DatabaseUnavailable, or the driver's error where a start would end in it */
async function rehearse(database: Database, settings: ControlPlaneSettings): Promise<void> {
  const keyring = keyringIn(settings);
  try {
    await database.transaction(
      async (transaction) => {
        await transaction.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
        await migrateIn(transaction, keyring);
        await requireRights(transaction);
        await transaction.query("select pg_notify('vaultplane_check', '')");
        throw new Rehearsed();
      },
      { slow: true },
    );
  } catch (error) {
    if (!(error instanceof Rehearsed)) throw error;
  }
}

/** @throws StartError that names the first right that lacks */
async function requireRights(transaction: Queryable): Promise<void> {
  const rows = await transaction.query<{ name: string; lacks: string }>(
    `select name, lacks from unnest($1::text[]) as name, unnest($2::text[]) as lacks
     where not has_table_privilege(name, lacks) limit 1`,
    [tablesOf(), RIGHTS],
  );
  const [first] = rows;
  if (!first) return;
  throw new StartError(
    `the role of pg_user may not ${first.lacks} in table ${first.name}; GRANT ${RIGHTS.join(', ')} ON ALL TABLES IN SCHEMA public to it, or let it own them`,
  );
}

/** Whether control planes hear of each other's changes: behind a pooler of transactions nothing that is told arrives. */
async function checkNotifications(database: Database): Promise<Finding> {
  const what = 'notifications';
  const channel = `vaultplane_check_${randomUUID().replaceAll('-', '')}`;
  const heard = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => heard.resolve(false), NOTIFICATION_TIMEOUT_MS);
  try {
    await database.listen(channel, () => heard.resolve(true));
    await database.query('select pg_notify($1, $2)', [channel, 'check']);
    // A start does without: it looks for changes now and then.
    const says = (await heard.promise)
      ? 'arrive'
      : 'do not arrive, so that changes made at other control planes are seen seconds later; is pg_host a pooler in transaction mode?';
    return { what, ok: true, says };
  } catch (error) {
    return { what, ok: false, says: errorMessage(databaseProblem(error) ?? error) };
  } finally {
    clearTimeout(timer);
  }
}

/** One that can't be read is another finding. */
function keyringIn(settings: ControlPlaneSettings): Keyring | undefined {
  try {
    return keyringOf(settings);
  } catch {
    return undefined;
  }
}
