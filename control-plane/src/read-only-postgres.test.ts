import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import pg from 'pg';
import { type PostgresServer, postgresMissing, startPostgresServer } from './store/testing/postgres-server.ts';
import { startTestControlPlane, type TestControlPlane } from './testing/control-plane.ts';

interface Status {
  database: { error: string | null };
}

describe('a Postgres that takes no writes for a while, as after a failover', { skip: postgresMissing() }, () => {
  let server: PostgresServer;
  let cp: TestControlPlane;
  let admin: pg.Client;
  before(async () => {
    server = await startPostgresServer();
    admin = new pg.Client({ host: server.socketDirectory, port: server.port, user: server.user, database: 'postgres' });
    await admin.connect();
    cp = await startTestControlPlane({
      env: {
        VAULTPLANE_DATABASE: 'postgres',
        VAULTPLANE_PG_HOST: server.host,
        VAULTPLANE_PG_PORT: String(server.port),
        VAULTPLANE_PG_USER: server.user,
        VAULTPLANE_PG_DATABASE: await server.createDatabase(),
      },
    });
  });
  after(async () => {
    await cp?.stop();
    await admin?.end();
    await server?.stop();
  });

  const readOnly = async (on: boolean) => {
    await admin.query(`alter system set default_transaction_read_only = ${on ? 'on' : 'off'}`);
    await admin.query('select pg_reload_conf()');
  };
  const sessions = async () => {
    const { rows } = await admin.query("select pid from pg_stat_activity where application_name like 'vaultplane-cp%'");
    return new Set(rows.map(({ pid }) => pid as number));
  };
  const status = async () => (await (await fetch(`${cp.statusUrl}/status`)).json()) as Status;
  const ready = async () => {
    const answer = await fetch(`${cp.statusUrl}/status/ready`);
    return { status: answer.status, text: await answer.text() };
  };
  const put = () => cp.call('PUT', '/vaults/one', { name: 'env', description: String(Math.random()) });

  it('is told by name, in writes, readiness and /status, and its sessions are given up, until it takes them again', async () => {
    assert.equal((await put()).status, 200);
    const before = await sessions();
    for (let time = 0; time < 2; time++) {
      await readOnly(true);
      await until('a write is refused', async () => (await put()).status === 503);
      const refused = await put();
      assert.deepEqual([refused.status, refused.json.message], [503, 'the database takes no writes']);
      const { status: code, text } = await ready();
      assert.equal(code, 503);
      assert.match(text, /the database takes no writes/);
      assert.match((await status()).database.error ?? '', /SQLSTATE 25006.*pg_host must lead to the primary/);
      // What is read goes on.
      assert.equal((await cp.call('GET', '/vaults/one')).status, 200);
      await until('the old sessions are gone', async () => [...(await sessions())].every((pid) => !before.has(pid)));

      await readOnly(false);
      await until('it is ready again', async () => (await ready()).status === 200);
      assert.equal((await status()).database.error, null);
      assert.equal((await put()).status, 200);
    }
  });

  it('is found also where nobody writes', async () => {
    await readOnly(true);
    await until('readiness tells', async () => (await ready()).status === 503);
    await readOnly(false);
    await until('it is ready again', async () => (await ready()).status === 200);
    // Notifications arrive as before.
    assert.equal((await put()).status, 200);
  });
});
