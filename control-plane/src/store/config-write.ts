import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { type Actor, auditRequestRow, INSERT_AUDIT_REQUESTS, type WriteRequest } from './audit-log.ts';
import type { VaultChange } from './config-edit.ts';
import { MARK, type MarkedPosition } from './config-state.ts';
import type { Queryable } from './database.ts';
import type { VaultSealing } from './vault-sealing.ts';
import { VAULT_COLUMNS } from './vaults-in-transaction.ts';

/** The channel on which control planes tell each other that there is a new version. */
export const CONFIG_CHANNEL = 'vaultplane_config';

/** A change that is made, but does not stand in the database yet. */
export interface MadeChange {
  /** Milliseconds since 1970. */
  at: number;
  actor: Actor;
  request: WriteRequest;
  /** Versions; the same where nothing changed. */
  before: number;
  after: number;
  changes: readonly VaultChange[];
}

/** All that one transaction writes. */
export interface ConfigWrite {
  made: readonly MadeChange[];
  /** The version that it comes to. */
  version: number;
  /** What all changes together come to. */
  vaults: readonly VaultChange[];
  /** Versions that go: those behind the first, up to the second. Of none before these is anything left. */
  goes: readonly [after: number, upTo: number];
  /** What the NOTIFY says. */
  notice: string;
}

/**
 * Whether a prefix goes from one vault to another: in one statement the two would meet, so whoever leaves it has to be
 * taken away before (`makeWay`).
 */
export function prefixesGoOver(vaults: readonly VaultChange[]): boolean {
  return leaving(vaults).length > 0;
}

/** Takes away whoever leaves a prefix that is another's now; part of the transaction of the write behind it. */
export async function makeWay(transaction: Queryable, vaults: readonly VaultChange[]): Promise<void> {
  const ids = leaving(vaults).map(({ vaultId }) => vaultId);
  if (ids.length > 0) await transaction.query('delete from vaults where id = any($1::uuid[])', [ids]);
}

function leaving(vaults: readonly VaultChange[]): VaultChange[] {
  const taken = new Map(vaults.flatMap(({ vaultId, after }) => (after ? [[after.prefix, vaultId]] : [])));
  return vaults.filter(({ vaultId, before }) => before && (taken.get(before.prefix) ?? vaultId) !== vaultId);
}

/**
 * Writes it all by one statement, where the database is still at the position that it was made at.
 *
 * @returns the position that it leads to; undefined where somebody else has written, and so nothing is written
 * @throws what the database does not take, which is then left as it was
 */
export async function writeConfig(
  database: Queryable,
  from: MarkedPosition,
  write: ConfigWrite,
  sealing: VaultSealing,
): Promise<MarkedPosition | undefined> {
  const { made, version, notice, goes } = write;
  const audit = JSON.stringify(
    made.map(({ at, actor, request, before, after }) => auditRequestRow(at, actor, request, before, after)),
  );
  if (version === from.version) {
    const rows = await database.query(WRITE_AUDIT, [from.mark, audit]);
    return rows.length > 0 ? from : undefined;
  }
  const kept = made.filter(({ before, after }) => after > before && after > goes[1]);
  const sealed = (vault: VaultEntity | null) => vault && sealing.seal(vault);
  const versions = kept.map(({ at, actor, request, after }) => ({
    version: after,
    made_at: new Date(at),
    actor: actor.name,
    action: `${request.method} ${request.path}`,
  }));
  const changes = kept.flatMap(({ after: version, changes }) =>
    changes.map(({ vaultId, before, after }) => ({
      ...{ version, vault_id: vaultId },
      ...{ before: sealed(before), after: sealed(after) },
    })),
  );
  const upserts = write.vaults.flatMap(({ after }) => (after ? sealing.seal(after) : []));
  const gone = write.vaults.flatMap(({ vaultId, after }) => (after ? [] : vaultId));
  const [state] = await database.query<{ mark: string }>(gone.length > 0 ? WRITE_AND_DELETE : WRITE, [
    ...[from.mark, audit, version, JSON.stringify(versions), JSON.stringify(changes), ...goes],
    ...[JSON.stringify(upserts), CONFIG_CHANNEL, notice],
    ...(gone.length > 0 ? [JSON.stringify(gone)] : []),
  ]);
  return state && { timeline: from.timeline, version, mark: state.mark };
}

const AUDIT = `audit as (${INSERT_AUDIT_REQUESTS} $2::jsonb), state)`;

const WRITE_AUDIT = `with state as (select from config_state where ${MARK} = $1), ${AUDIT} select from state`;

const REPLACED = VAULT_COLUMNS.split(', ').slice(1);

/** Both bounds, since in an index all that went before still has to be passed by, until a vacuum, which PGlite never does. */
const GOES = 'version > $6 and version <= $7';

/** Each part goes by `state`, so that all are for nothing where somebody else has written. */
const PARTS = `
  state as (update config_state set version = $3 where ${MARK} = $1 returning ${MARK} as mark),
  ${AUDIT},
  new_versions as (
    insert into config_versions (version, made_at, actor, action)
    select version, made_at, actor, action
    from jsonb_to_recordset($4::jsonb) as made (version bigint, made_at timestamptz, actor text, action text), state),
  new_changes as (
    insert into config_changes (version, vault_id, before, after)
    select version, vault_id, before, after
    from jsonb_to_recordset($5::jsonb) as change (version bigint, vault_id uuid, before jsonb, after jsonb), state),
  old_changes as (delete from config_changes where ${GOES} and exists (select from state)),
  old_versions as (delete from config_versions where ${GOES} and exists (select from state)),
  upserts as (
    insert into vaults (${VAULT_COLUMNS}) select ${VAULT_COLUMNS}
    from jsonb_populate_recordset(null::vaults, $8::jsonb), state
    on conflict (id) do update set ${REPLACED.map((column) => `${column} = excluded.${column}`).join(', ')})`;

const DELETES = `
  deletes as (
    delete from vaults where exists (select from state)
      and id in (select gone::uuid from jsonb_array_elements_text($11::jsonb) as gone))`;

const TOLD = 'select mark, pg_notify($9, $10) from state';

const WRITE = `with ${PARTS} ${TOLD}`;
const WRITE_AND_DELETE = `with ${PARTS}, ${DELETES} ${TOLD}`;
