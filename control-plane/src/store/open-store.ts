import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { AuditLog } from './audit-log.ts';
import { ConfigStore, type ConfigStoreOptions } from './config-store.ts';
import { type Database, DatabaseUnavailable } from './database.ts';
import { DrillReports } from './drill-reports.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';
import { FleetNodes } from './fleet-nodes.ts';
import { Invitations } from './invitations.ts';
import { keyringOf } from './keyring-file.ts';
import { migrate } from './migrations.ts';
import { Nodes } from './nodes.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { ensureTimeline } from './timeline.ts';
import { Tokens } from './tokens.ts';

/** Everything that is stored, behind one database. */
export interface Store {
  database: Database;
  config: ConfigStore;
  tokens: Tokens;
  audit: AuditLog;
  drills: DrillReports;
  invitations: Invitations;
  nodes: Nodes;
  fleetNodes: FleetNodes;
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
  applicationName?: string,
): Promise<Database> {
  if (settings.database === 'embedded') return openEmbeddedDatabase(settings.data_dir);
  const end = clock.monotonic() + waitMs;
  for (let waiting = false; ; waiting = true) {
    try {
      return await openPostgresDatabase(settings, log, clock, applicationName);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || clock.monotonic() >= end || signal?.aborted) throw error;
      if (!waiting) log.warn({ error: error.message }, 'waiting for the database');
      await new Promise<void>((resolve) => clock.after(RETRY_PAUSE_MS, resolve));
    }
  }
}

/** How the settings want the configuration to be kept. @throws StartError when the keyring can't be read */
export function storeOptions(settings: ControlPlaneSettings): ConfigStoreOptions {
  return { keyring: keyringOf(settings), versionsKept: settings.config_versions_kept };
}

/** Brings a database to this program's schema and gives what is in it. */
export async function prepareStore(
  database: Database,
  log: Log,
  clock: Clock,
  options: ConfigStoreOptions = {},
): Promise<Store> {
  const applied = await migrate(database, options.keyring);
  if (applied.length > 0) log.info({ migrations: applied }, 'the database schema is brought up to date');
  await ensureTimeline(database);
  return {
    database,
    config: new ConfigStore(database, clock, options),
    tokens: new Tokens(database, clock),
    audit: new AuditLog(database, clock),
    drills: new DrillReports(database, clock),
    invitations: new Invitations(database, clock),
    nodes: new Nodes(database, clock),
    fleetNodes: new FleetNodes(database, clock),
    close: () => database.close(),
  };
}
