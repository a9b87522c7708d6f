import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { nextTurn } from '@vaultplane/platform/time/next-turn.ts';
import { type Actor, auditRequestRow, INSERT_AUDIT_REQUESTS, type WriteRequest } from './audit-log.ts';
import { MARK, type MarkedPosition } from './config-state.ts';
import type { Queryable } from './database.ts';
import type { VaultChange } from './vault-change.ts';
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

/** Vaults that one statement writes: PGlite, which runs in this process, takes 20 to 50 ms for as many. */
const MAX_VAULTS_A_STATEMENT = 500;

/** Whether it takes several statements, and so a transaction. */
export function isLarge({ made, vaults }: Pick<ConfigWrite, 'made' | 'vaults'>): boolean {
  const changes = made.reduce((sum, change) => sum + change.changes.length, 0);
  return Math.max(changes, vaults.length) > MAX_VAULTS_A_STATEMENT;
}

/**
 * Writes it all, where the database is still at the position that it was made at: by one statement or, where it is large, by
 * several in the transaction that `database` must be then.
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
  const allChanges = kept.flatMap(({ after: version, changes }) => changes.map((change) => ({ version, ...change })));
  const allUpserts = write.vaults.flatMap(({ after }) => after ?? []);
  const allGone = write.vaults.flatMap(({ vaultId, after }) => (after ? [] : vaultId));
  const part = (from: number) => {
    const to = from + MAX_VAULTS_A_STATEMENT;
    const changes = allChanges.slice(from, to).map(({ version, vaultId, before, after }) => ({
      ...{ version, vault_id: vaultId },
      ...{ before: sealed(before), after: sealed(after) },
    }));
    const upserts = allUpserts.slice(from, to).map((vault) => sealing.seal(vault));
    return { changes, upserts, gone: allGone.slice(from, to) };
  };
  const { changes, upserts, gone } = part(0);
  const [state] = await database.query<{ mark: string }>(gone.length > 0 ? WRITE_AND_DELETE : WRITE, [
    ...[from.mark, audit, version, JSON.stringify(versions), JSON.stringify(changes), ...goes],
    ...[JSON.stringify(upserts), CONFIG_CHANNEL, notice],
    ...(gone.length > 0 ? [JSON.stringify(gone)] : []),
  ]);
  if (!state) return undefined;
  const most = Math.max(allChanges.length, allUpserts.length, allGone.length);
  for (let at = MAX_VAULTS_A_STATEMENT; at < most; at += MAX_VAULTS_A_STATEMENT) {
    await nextTurn();
    const { changes, upserts, gone } = part(at);
    await database.query(WRITE_MORE, [JSON.stringify(changes), JSON.stringify(upserts), JSON.stringify(gone)]);
  }
  return { timeline: from.timeline, version, mark: state.mark };
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

/** What is left of a large write, behind the statement that has moved config_state on. */
const WRITE_MORE = `with
  new_changes as (
    insert into config_changes (version, vault_id, before, after)
    select version, vault_id, before, after
    from jsonb_to_recordset($1::jsonb) as change (version bigint, vault_id uuid, before jsonb, after jsonb)),
  upserts as (
    insert into vaults (${VAULT_COLUMNS}) select ${VAULT_COLUMNS}
    from jsonb_populate_recordset(null::vaults, $2::jsonb)
    on conflict (id) do update set ${REPLACED.map((column) => `${column} = excluded.${column}`).join(', ')})
  delete from vaults where id in (select gone::uuid from jsonb_array_elements_text($3::jsonb) as gone)`;

const WRITE = `with ${PARTS} ${TOLD}`;
const WRITE_AND_DELETE = `with ${PARTS}, ${DELETES} ${TOLD}`;
