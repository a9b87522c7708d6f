import { readdirSync, readFileSync } from 'node:fs';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { bindCredentials } from './bind-credentials.ts';
import type { Database, Queryable } from './database.ts';
import { refuseDatabase } from './database-problem.ts';

/** Any number that nobody else on the database takes; the same in every release. */
const ADVISORY_LOCK = 7_228_105_430;

export interface Migration {
  /** From 1, without gaps. */
  number: number;
  name: string;
  sql: string;
  /** What SQL can't do, before it, in the same transaction. @throws StartError */
  step?: MigrationStep;
}

/** @param keyring for what is encrypted in the database; undefined where `keyring_key_file` is not set */
export type MigrationStep = (transaction: Queryable, keyring: Keyring | undefined) => Promise<void>;

/** By the migrations' names behind their numbers. */
const STEPS: { readonly [name: string]: MigrationStep } = { 'credentials-bound': bindCredentials };

export interface MigrationStatus {
  /** The number of the last migration that this database has had; 0 for none. */
  applied: number;
  /** The number of this program's last migration. */
  latest: number;
  /** Names of those still to come. */
  pending: string[];
}

/** This program's migrations, in order. */
export const MIGRATIONS: readonly Migration[] = readMigrations(new URL('./migrations/', import.meta.url));

/** @throws StartError when the database is of a later release */
export async function migrationStatus(
  database: Queryable,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrationStatus> {
  const applied = (await hasMigrations(database)) ? await lastApplied(database) : 0;
  return statusOf(applied, migrations);
}

/**
 * Brings the database to this program's schema, once, however many control planes do so at the same time: each waits
 * for the other's transaction.
 *
 * @returns the names of the migrations that were applied
 * @throws StartError when the database is of a later release, or has what the keyring does not open and a migration needs
 */
export async function migrate(
  database: Database,
  keyring: Keyring | undefined,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<string[]> {
  return database
    .transaction(
      (transaction) => migrateIn(transaction, keyring, migrations),
      // On a large database, or while another control plane does it.
      { slow: true },
    )
    .catch(refuseDatabase);
}

/** The same within a transaction of the caller's. */
export async function migrateIn(
  transaction: Queryable,
  keyring: Keyring | undefined,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<string[]> {
  await transaction.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
  // Postgres asks for the right to create tables also where `if not exists` finds that there is one.
  if (!(await hasMigrations(transaction))) {
    await transaction.query(`create table vaultplane_migrations (
      number integer primary key, name text not null, applied_at timestamptz not null default now())`);
  }
  const { applied, pending } = statusOf(await lastApplied(transaction), migrations);
  for (const { number, name, sql, step } of migrations.filter((migration) => migration.number > applied)) {
    await step?.(transaction, keyring);
    for (const statement of statementsOf(sql)) await transaction.query(statement);
    await transaction.query('insert into vaultplane_migrations (number, name) values ($1, $2)', [number, name]);
  }
  return pending;
}

/** The tables that the migrations make. */
export function tablesOf(migrations: readonly Migration[] = MIGRATIONS): string[] {
  const made = migrations.flatMap(({ sql }) => [...sql.matchAll(/^create table (\w+)/gm)].map(([, table]) => table!));
  return ['vaultplane_migrations', ...made];
}

async function hasMigrations(database: Queryable): Promise<boolean> {
  const [table] = await database.query<{ there: boolean }>(
    "select to_regclass('vaultplane_migrations') is not null as there",
  );
  return table!.there;
}

async function lastApplied(database: Queryable): Promise<number> {
  const [row] = await database.query<{ last: number }>(
    'select coalesce(max(number), 0)::integer as last from vaultplane_migrations',
  );
  return row!.last;
}

function statusOf(applied: number, migrations: readonly Migration[]): MigrationStatus {
  const latest = migrations.at(-1)?.number ?? 0;
  if (applied > latest) {
    throw new StartError(
      `the database has schema ${applied}, of a later release than this program's ${latest}; run that release, or restore a backup`,
    );
  }
  return { applied, latest, pending: migrations.filter(({ number }) => number > applied).map(({ name }) => name) };
}

/** A statement ends at a semicolon at the end of a line; comments go, since a statement of nothing else is none. */
function statementsOf(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

function readMigrations(directory: URL): Migration[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file, index) => {
      const name = file.slice(0, -'.sql'.length);
      const number = Number.parseInt(name, 10);
      if (number !== index + 1) throw new Error(`migration ${file} is out of order`);
      const step = STEPS[name.replace(/^\d+-/, '')];
      return { number, name, sql: readFileSync(new URL(file, directory), 'utf8'), ...(step && { step }) };
    });
}
