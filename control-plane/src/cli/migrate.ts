import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { MIGRATIONS, type MigrationStatus, migrate, migrationStatus } from '../store/migrations.ts';
import { openDatabase, storeOptions } from '../store/open-store.ts';

/** `migrate`, and with `apply` false `migrate --status`. */
export async function showMigrations(settings: ControlPlaneSettings, apply: boolean) {
  if (!apply && isNotMadeYet(settings)) return report({ applied: 0, latest: MIGRATIONS.length, pending: names() }, []);
  const database = await openDatabase(settings, silentLog, systemClock);
  try {
    const done = apply ? await migrate(database, storeOptions(settings).keyring) : [];
    return report(await migrationStatus(database), done);
  } finally {
    await database.close();
  }
}

/** Looking at an embedded database that is not there must not make it. */
export function isNotMadeYet(settings: ControlPlaneSettings): boolean {
  return settings.database === 'embedded' && !existsSync(join(settings.data_dir, 'db'));
}

function names(): string[] {
  return MIGRATIONS.map(({ name }) => name);
}

function report(status: MigrationStatus, done: string[]) {
  return {
    facts: { ...status, done },
    lines: [
      ...done.map((name) => `done     ${name}`),
      ...status.pending.map((name) => `pending  ${name}`),
      `schema ${status.applied} of ${status.latest}`,
    ],
  };
}
