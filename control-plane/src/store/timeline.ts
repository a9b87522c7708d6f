import { randomUUID } from 'node:crypto';
import { type Database, type Queryable, sqlState } from './database.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Makes sure that the database has a timeline, and that it is its own: a database restored from a backup (into another
 * server, another database, or this one rewound to an earlier point) has the old one's, and gets a new one, so that no
 * data plane takes an old configuration for progress.
 */
export async function ensureTimeline(database: Database): Promise<void> {
  const origin = await originOf(database);
  await database.transaction(async (transaction) => {
    await transaction.query(
      'insert into config_state (timeline, origin) values ($1, $2) on conflict (only_row) do nothing',
      [randomUUID(), origin],
    );
    await transaction.query('update config_state set timeline = $1, origin = $2 where origin <> $2', [
      randomUUID(),
      origin,
    ]);
  });
}

/**
 * Begins a new timeline, unless somebody else has already ended the one that is known to be wrong. Used when a data
 * plane proves that it has seen a later or another version of this timeline than the database has.
 */
export async function renewTimeline(database: Queryable, wrong: string): Promise<void> {
  await database.query(
    `with renewed as (update config_state set timeline = $2 where timeline = $1 returning timeline)
     select pg_notify('vaultplane_config', '') from renewed`,
    [wrong, randomUUID()],
  );
}

/** What another server, or this one after a recovery to an earlier point, would say differently. */
async function originOf(database: Queryable): Promise<string> {
  const [own] = await database.query<{ oid: string }>(
    'select oid::text as oid from pg_database where datname = current_database()',
  );
  try {
    const [server] = await database.query<{ system: string; timeline: string }>(
      `select (select system_identifier::text from pg_control_system()) as system,
              (select timeline_id::text from pg_control_checkpoint()) as timeline`,
    );
    return `${server!.system}/${server!.timeline}/${own!.oid}`;
  } catch (error) {
    // Some providers keep these two functions to themselves.
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    return `unknown/${own!.oid}`;
  }
}
