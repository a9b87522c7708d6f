import type { Clock } from '@vaultplane/shared/clock.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { ConfigStore } from './config-store.ts';
import { type Database, DatabaseUnavailable } from './database.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';
import { migrate } from './migrations.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { ensureTimeline } from './timeline.ts';
import { Tokens } from './tokens.ts';

/** Everything that is stored, behind one database. */
export interface Store {
  database: Database;
  config: ConfigStore;
  tokens: Tokens;
  close(): Promise<void>;
}

const RETRY_PAUSE_MS = 500;

/**
 * Opens the database that the settings name.
 *
 * @param waitMs how long a Postgres that can't be reached is waited for: it may be starting beside us
 * @throws StartError, DatabaseUnavailable
 */
export async function openDatabase(
  settings: ControlPlaneSettings,
  log: Log,
  clock: Clock,
  waitMs = 0,
  signal?: AbortSignal,
): Promise<Database> {
  if (settings.database === 'embedded') return openEmbeddedDatabase(settings.data_dir);
  const end = clock.monotonic() + waitMs;
  for (let waiting = false; ; waiting = true) {
    try {
      return await openPostgresDatabase(settings, log, clock);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || clock.monotonic() >= end || signal?.aborted) throw error;
      if (!waiting) log.warn({ error: error.message }, 'waiting for the database');
      await new Promise<void>((resolve) => clock.after(RETRY_PAUSE_MS, resolve));
    }
  }
}

/** Brings a database to this program's schema and gives what is in it. */
export async function prepareStore(database: Database, log: Log, clock: Clock): Promise<Store> {
  const applied = await migrate(database);
  if (applied.length > 0) log.info({ migrations: applied }, 'the database schema is brought up to date');
  await ensureTimeline(database);
  return {
    database,
    config: new ConfigStore(database, clock),
    tokens: new Tokens(database, clock),
    close: () => database.close(),
  };
}
