import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type PostgresServer, postgresMissing, startPostgresServer } from '../store/testing/postgres-server.ts';

const MAIN = join(import.meta.dirname, '../main.ts');

interface Finding {
  what: string;
  ok: boolean;
  says: string;
}

/** What `check` says against what `start` does, each as its users run it. */
describe('check', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-cp-check-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const base = {
    PATH: process.env.PATH,
    VAULTPLANE_DATA_DIR: join(folder, 'data'),
    VAULTPLANE_ADMIN_LISTEN: '127.0.0.1:0',
    VAULTPLANE_CLUSTER_LISTEN: '127.0.0.1:0',
    VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
  };

  const run = async (args: string[], env: NodeJS.ProcessEnv, until?: RegExp) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output.out += text;
      if (until?.test(output.out)) child.kill('SIGTERM');
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output.err += text;
      if (until?.test(output.err)) child.kill('SIGTERM');
    });
    const [status] = await once(child, 'close');
    return { status: status as number | null, ...output };
  };
  const check = async (env: NodeJS.ProcessEnv) => {
    const { status, out } = await run(['check', '--json'], env);
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
    assert.equal(status, ok ? 0 : 1);
    return { ok, failed: findings.filter((finding) => !finding.ok), findings };
  };
  /** Starts, and stops as soon as it is ready; its last line on stderr where it is not. */
  const start = async (env: NodeJS.ProcessEnv) => {
    const { status, err } = await run(['start'], env, /"msg":"ready"/);
    return { ready: /"msg":"ready"/.test(err), status, last: err.trimEnd().split('\n').at(-1) ?? '' };
  };

  it('says which address is in use, as the start does', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    for (const setting of ['admin_listen', 'status_listen']) {
      const env = { [`VAULTPLANE_${setting.toUpperCase()}`]: `127.0.0.1:${port}` };
      const { failed } = await check(env);
      const started = await start(env);
      assert.equal(started.ready, false);
      assert.deepEqual(
        failed.map(({ what }) => what),
        [setting],
      );
      assert.ok(started.last.includes(failed[0]!.says), started.last);
    }
    holder.close();
  });

  it('says that data_dir can not be made, as the start does', async () => {
    const env = { VAULTPLANE_DATA_DIR: '/dev/null/data' };
    assert.deepEqual((await check(env)).failed.map(({ what }) => what).includes('data_dir'), true);
    assert.match((await start(env)).last, /data_dir/);
  });

  describe('on Postgres', { skip: postgresMissing() }, () => {
    let server: PostgresServer;
    before(async () => {
      server = await startPostgresServer();
    });
    after(() => server?.stop());

    const as = async (database: string, sql: string) => {
      const client = new pg.Client({ host: server.socketDirectory, port: server.port, user: server.user, database });
      await client.connect();
      await client.query(sql);
      await client.end();
    };
    const settings = (database: string, user: string): NodeJS.ProcessEnv => ({
      VAULTPLANE_DATA_DIR: join(folder, `data-${database}`),
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: server.host,
      VAULTPLANE_PG_PORT: String(server.port),
      VAULTPLANE_PG_USER: user,
      VAULTPLANE_PG_DATABASE: database,
    });
    const tablesIn = async (database: string) => {
      const client = new pg.Client({ host: server.socketDirectory, port: server.port, user: server.user, database });
      await client.connect();
      const { rows } = await client.query("select 1 from pg_tables where schemaname = 'public'");
      await client.end();
      return rows.length;
    };

    it('tries to make the tables, and leaves none', async () => {
      const database = await server.createDatabase();
      await as(database, 'create role plain login; revoke create on schema public from public');
      const env = settings(database, 'plain');
      const { failed } = await check(env);
      assert.deepEqual(
        failed.map(({ what }) => what),
        ['database'],
      );
      assert.match(
        failed[0]!.says,
        /permission denied for schema public \(SQLSTATE 42501\); grant it .*CREATE ON SCHEMA/,
      );
      const started = await start(env);
      assert.equal(started.status, 1);
      assert.ok(started.last.includes(failed[0]!.says), started.last);

      await as(database, 'grant create on schema public to plain');
      const { ok, findings } = await check(env);
      assert.ok(ok, JSON.stringify(findings));
      assert.equal(findings.find(({ what }) => what === 'notifications')?.says, 'arrive');
      assert.equal(await tablesIn(database), 0);
      assert.equal((await start(env)).ready, true);
    });

    it('is content with a role that owns no table, and says which right on one lacks', async () => {
      const database = await server.createDatabase();
      await as(database, 'create role runner login; revoke create on schema public from public');
      assert.equal((await run(['migrate'], settings(database, server.user))).status, 0);
      const env = settings(database, 'runner');
      await as(database, 'grant select, insert, update, delete on all tables in schema public to runner');
      await as(database, 'revoke delete on fleet_commands from runner');
      const { failed } = await check(env);
      assert.match(
        failed[0]!.says,
        /may not delete in table fleet_commands; GRANT select, insert, update, delete ON ALL/,
      );
      await as(
        database,
        'grant delete on fleet_commands to runner; grant usage on all sequences in schema public to runner',
      );
      const { ok, findings } = await check(env);
      assert.ok(ok, JSON.stringify(findings));
      const started = await start(env);
      assert.ok(started.ready, started.last);
    });

    it('says that a server takes no writes, as the start does', async () => {
      const database = await server.createDatabase();
      await as(database, `alter database ${database} set default_transaction_read_only = on`);
      const env = settings(database, server.user);
      const { failed } = await check(env);
      assert.match(failed[0]!.says, /takes no writes .*primary/);
    });
  });
});
