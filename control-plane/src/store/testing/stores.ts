import { after, before, describe } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Database } from '../database.ts';
import { openEmbeddedDatabase } from '../embedded-database.ts';
import { prepareStore, type Store } from '../open-store.ts';
import { openPostgresDatabase, type PostgresSettings } from '../postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from './postgres-server.ts';

export function postgresSettings(server: PostgresServer, database = server.database): PostgresSettings {
  return {
    pg_host: server.host,
    pg_port: server.port,
    pg_user: server.user,
    pg_password: server.password,
    pg_database: database,
    pg_ssl: false,
    pg_ssl_verify: true,
    pg_ssl_ca: undefined,
  };
}

/**
 * Describes behaviour that both databases have. `open` gives a new, empty database each time. On PGlite, where making
 * one takes two seconds, it is the one that was given before, emptied: tests use them one after the other.
 */
export function describeOnBothDatabases(title: string, tests: (open: () => Promise<Database>) => void): void {
  describe(`${title}, on PGlite`, () => {
    let database: Database | undefined;
    after(() => database?.close());
    tests(async () => {
      database ??= await openEmbeddedDatabase(undefined);
      await database.script('drop schema public cascade; create schema public');
      return stayingOpen(database);
    });
  });

  describe(`${title}, on Postgres`, { skip: postgresMissing() }, () => {
    let server: PostgresServer;
    const opened: Database[] = [];
    before(async () => {
      server = await startPostgresServer();
    });
    after(async () => {
      await Promise.all(opened.map((database) => database.close()));
      await server?.stop();
    });
    tests(async () => {
      const settings = postgresSettings(server, await server.createDatabase());
      const database = await openPostgresDatabase(settings, silentLog, systemClock);
      opened.push(database);
      return database;
    });
  });
}

/** The database for somebody who closes what is not his. */
export function stayingOpen(database: Database): Database {
  return {
    kind: database.kind,
    query: (sql, parameters) => database.query(sql, parameters),
    script: (sql) => database.script(sql),
    transaction: (work, options) => database.transaction(work, options),
    listen: (channel, heard) => database.listen(channel, heard),
    close: async () => {},
  };
}

export function storeOn(database: Database, clock: Clock = systemClock): Promise<Store> {
  return prepareStore(database, silentLog, clock);
}
