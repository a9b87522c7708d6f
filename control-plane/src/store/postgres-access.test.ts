import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { makeAuthority, makeNodeCertificate } from '../fleet/certificate-maker.ts';
import { openPostgresDatabase, type PostgresSettings } from './postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from './testing/postgres-server.ts';
import { postgresSettings } from './testing/stores.ts';

const PASSWORD = 'canary-pg-password';

describe('a Postgres that speaks TLS only, and asks for a password', { skip: postgresMissing() }, () => {
  let server: PostgresServer;
  let directory: string;
  let right: PostgresSettings;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-pg-tls-'));
    const [authority, other] = [await makeAuthority(), await makeAuthority()];
    writeFileSync(join(directory, 'ca.crt'), authority.certificate);
    writeFileSync(join(directory, 'other.crt'), other.certificate);
    const { certificate, key } = await makeNodeCertificate(authority, 'localhost', 'server');
    server = await startPostgresServer({ password: PASSWORD, tls: { cert: certificate, key } });
    const ca = join(directory, 'ca.crt');
    right = { ...postgresSettings(server), pg_host: 'localhost', pg_ssl: true, pg_ssl_ca: ca };
  });
  after(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const opens = async (change: Partial<PostgresSettings>) => {
    const database = await openPostgresDatabase({ ...right, ...change }, silentLog, systemClock);
    const [row] = await database.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    await database.close();
    return row!.ssl;
  };
  const refused = (change: Partial<PostgresSettings>, said: RegExp) =>
    assert.rejects(opens(change), (error: Error) => {
      assert.equal(error.name, 'StartError');
      assert.match(error.message, said);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });

  it('is spoken to where its certificate is of the CA and has its name', async () => {
    assert.equal(await opens({}), true);
  });

  it('is known by pg_ssl_ca as PEM and as base64 of PEM too', async () => {
    const pem = readFileSync(join(directory, 'ca.crt'));
    for (const pg_ssl_ca of [pem.toString(), pem.toString('base64')]) assert.equal(await opens({ pg_ssl_ca }), true);
  });

  it('is refused with a certificate of nobody known, of another CA, or of another name', async () => {
    await refused({ pg_ssl_ca: undefined }, /certificate.*pg_ssl_ca/i);
    await refused({ pg_ssl_ca: join(directory, 'other.crt') }, /certificate.*pg_ssl_ca/i);
    await refused({ pg_host: '127.0.0.1' }, /127\.0\.0\.1.*pg_ssl_ca/);
    await refused({ pg_ssl_ca: join(directory, 'none.crt') }, /^pg_ssl_ca = .*none\.crt can't be read: ENOENT/);
  });

  it('is taken as it is where pg_ssl_verify is off', async () => {
    assert.equal(await opens({ pg_ssl_verify: false, pg_ssl_ca: undefined, pg_host: '127.0.0.1' }), true);
  });

  it('refuses who speaks no TLS, and who has not the password', async () => {
    await refused({ pg_ssl: false }, /no pg_hba\.conf entry/);
    await refused({ pg_password: 'canary-wrong' }, /password authentication failed.*pg_password/);
    await refused({ pg_password: undefined }, /pg_password/);
  });

  it('gives up what takes too long, and what another holds', async () => {
    const database = await openPostgresDatabase(right, silentLog, systemClock);
    const settings = await database.query<{ name: string; setting: string }>(
      `select name, setting from pg_settings where name in ('statement_timeout', 'idle_in_transaction_session_timeout')
       order by name`,
    );
    assert.deepEqual(settings, [
      { name: 'idle_in_transaction_session_timeout', setting: '10000' },
      { name: 'statement_timeout', setting: '10000' },
    ]);
    await assert.rejects(
      database.transaction(async (transaction) => {
        await transaction.query("set local statement_timeout = '50ms'");
        await transaction.query('select pg_sleep(60)');
      }),
      { name: 'DatabaseUnavailable' },
    );
    const [slow] = await database.transaction((t) => t.query('show statement_timeout'), { slow: true });
    assert.deepEqual(slow, { statement_timeout: '0' });
    await database.close();
  });
});
