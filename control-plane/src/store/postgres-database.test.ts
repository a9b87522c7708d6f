import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { DatabaseUnavailable } from './database.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from './testing/postgres-server.ts';
import { postgresSettings } from './testing/stores.ts';

describe('a Postgres that goes away', { skip: postgresMissing() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgresServer();
  });
  after(() => server?.stop());

  it('is told apart from a mistake, and is used and listened to again when it is back', async () => {
    const database = await openPostgresDatabase(postgresSettings(server), silentLog, systemClock);
    let heardAgain: () => void = () => {};
    const again = new Promise<void>((resolve) => {
      heardAgain = resolve;
    });
    await database.listen('a_channel', () => heardAgain());
    await server.kill();
    await assert.rejects(database.query('select 1'), DatabaseUnavailable);
    await assert.rejects(
      database.transaction((transaction) => transaction.query('select 1')),
      DatabaseUnavailable,
    );
    await assert.rejects(
      openPostgresDatabase(postgresSettings(server), silentLog, systemClock),
      (error: Error) =>
        error instanceof DatabaseUnavailable &&
        error.message.includes(`127.0.0.1:${server.port}`) &&
        !/canary/.test(error.message),
    );
    await server.restart();
    await again;
    assert.deepEqual(await database.query('select 1 as one'), [{ one: 1 }]);
    await database.close();
  });

  it('that has no such database is a mistake, said with the settings to look at', async () => {
    const settings = { ...postgresSettings(server, 'no_such'), pg_password: 'canary' };
    await assert.rejects(openPostgresDatabase(settings, silentLog, systemClock), (error: Error) => {
      assert.equal(error.name, 'StartError');
      assert.match(error.message, /no_such.*check pg_host/);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });
  });

  it('can be spoken to through its Unix socket', async () => {
    const settings = { ...postgresSettings(server), pg_host: server.socketDirectory };
    const database = await openPostgresDatabase(settings, silentLog, systemClock);
    assert.deepEqual(await database.query('select 1 as one'), [{ one: 1 }]);
    await database.close();
  });
});
