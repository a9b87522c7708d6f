import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Database } from './store/database.ts';
import { openPostgresDatabase } from './store/postgres-database.ts';
import { type PostgresServer, postgresMissing, startPostgresServer } from './store/testing/postgres-server.ts';
import { postgresSettings } from './store/testing/stores.ts';
import { type Answer, startTestControlPlane, type TestControlPlane } from './testing/control-plane.ts';

const ADMIN_TOKEN = 'canary-admin-token-0123456789';
const PG_PASSWORD = 'canary-pg-password-0123456789';

/**
 * Uses a control plane rightly and wrongly, with its tokens in every place that somebody may put one by mistake.
 *
 * @returns what it was told by all answers, and the tokens that must be nowhere in it
 */
async function misuse(cp: TestControlPlane): Promise<{ said: string; secrets: string[] }> {
  const answers: Answer[] = [];
  const as = (token: string) => ({ 'kong-admin-token': token });
  const ask = async (...request: Parameters<TestControlPlane['call']>) => {
    const answer = await cp.call(...request);
    answers.push(answer);
    return answer;
  };
  const make = async (role: string) =>
    (await cp.call('POST', '/tokens', { role }, as(ADMIN_TOKEN))).json.token as string;
  const tokens = [await make('reader'), await make('editor'), await make('admin')];

  for (const token of [ADMIN_TOKEN, ...tokens]) {
    const headers = as(token);
    await ask('GET', '/', undefined, headers);
    await ask('GET', '/status', undefined, headers);
    await ask('PUT', '/vaults/a-vault', { name: 'env', description: token.slice(0, 5) }, headers);
    await ask('PUT', `/vaults/by-query?token=${token}&kong-admin-token=${token}`, { name: 'env' }, headers);
    await ask('PATCH', '/vaults/a-vault', { config: token }, headers);
    await ask('POST', '/vaults', token, { ...headers, 'content-type': 'application/json' });
    await ask('POST', '/config', `${token}: [`, { ...headers, 'content-type': 'application/yaml' });
    await ask(
      'POST',
      '/vaults',
      { name: 'aws', prefix: 'x-y', config: { endpoint_url: `https://a:${token}@b` } },
      headers,
    );
    await ask('POST', '/tokens', { role: token }, headers);
    await ask('GET', '/vaults', undefined, { authorization: `Basic ${token}` });
    await ask('GET', '/vaults', undefined, as(`${token}x`));
    await ask('GET', `/no-such-place/${token}`, undefined, headers);
    for (const path of ['/vaults', '/tokens', '/config', '/config/versions', '/audit/requests', '/clustering/status']) {
      await ask('GET', path, undefined, headers);
    }
  }
  // The whole token where its id belongs.
  for (const token of tokens) {
    await ask('DELETE', `/tokens/${token}`, undefined, as(ADMIN_TOKEN));
    await ask('DELETE', `/vaults/${token}`, undefined, as(ADMIN_TOKEN));
  }
  const { json: audit } = await ask('GET', '/audit/requests?size=1000', undefined, as(ADMIN_TOKEN));
  assert.ok(audit.data.length > 10);
  for (const path of ['/status', '/status/ready', '/metrics']) answers.push(await textOf(cp.statusUrl + path));

  const said = answers.map(({ status, headers, text }) => [status, ...headers.values(), text].join('\n')).join('\n');
  const secretParts = tokens.map((token) => token.split('_').slice(2).join('_'));
  return { said: said + JSON.stringify(cp.logged()), secrets: [ADMIN_TOKEN, PG_PASSWORD, ...secretParts] };
}

async function textOf(url: string): Promise<Answer> {
  const answer = await fetch(url);
  return { status: answer.status, headers: answer.headers, text: await answer.text(), json: undefined };
}

function assertNone(secrets: readonly string[], where: string, text: string | Buffer): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${secret.slice(0, 12)}… is in ${where}`);
}

function assertNoFile(secrets: readonly string[], directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) assertNone(secrets, path, readFileSync(path));
  }
}

async function assertNoTable(secrets: readonly string[], database: Database): Promise<void> {
  const tables = await database.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  );
  assert.ok(tables.length >= 7);
  for (const { name } of tables) {
    const rows = await database.query<{ row: string }>(`select t::text as row from ${name} t`);
    assertNone(secrets, `table ${name}`, rows.map(({ row }) => row).join('\n'));
  }
}

describe('no admin_token, no token and no password is in any log line, answer, or file', () => {
  it('of an embedded control plane', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'vaultplane-canary-'));
    const env = { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN, VAULTPLANE_PG_PASSWORD: PG_PASSWORD };
    const cp = await startTestControlPlane({ dataDir, env });
    try {
      const { said, secrets } = await misuse(cp);
      assertNone(secrets, 'an answer or the log', said);
      await cp.stop();
      assertNoFile(secrets, dataDir);
    } finally {
      await cp.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  describe('on Postgres', { skip: postgresMissing() }, () => {
    let server: PostgresServer;
    let database: Database;
    let env: Record<string, string>;
    before(async () => {
      server = await startPostgresServer();
      const name = await server.createDatabase();
      database = await openPostgresDatabase(postgresSettings(server, name), silentLog, systemClock);
      env = {
        VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN,
        VAULTPLANE_DATABASE: 'postgres',
        VAULTPLANE_PG_HOST: server.host,
        VAULTPLANE_PG_PORT: String(server.port),
        VAULTPLANE_PG_DATABASE: name,
        VAULTPLANE_PG_PASSWORD: PG_PASSWORD,
      };
    });
    after(async () => {
      await database?.close();
      await server?.stop();
    });

    it('nor in its database, nor in what is said while that is away', async () => {
      const cp = await startTestControlPlane({ env });
      let killed = false;
      try {
        const { said, secrets } = await misuse(cp);
        assertNone(secrets, 'an answer or the log', said);
        assertNoFile(secrets, cp.dataDir);
        await assertNoTable(secrets, database);
        await server.kill();
        killed = true;
        const away = await cp.call('PUT', '/vaults/a-vault', { name: 'env' }, { 'kong-admin-token': ADMIN_TOKEN });
        assert.equal(away.status, 503);
        assertNone(secrets, 'what was said', away.text + JSON.stringify(cp.logged()));
      } finally {
        await cp.stop();
        if (killed) await server.restart();
      }
    });

    it('nor in why a start fails', async () => {
      await assert.rejects(
        startTestControlPlane({ env: { ...env, VAULTPLANE_PG_DATABASE: 'no_such' } }),
        (error: Error) => {
          assert.match(error.message, /no_such/);
          assertNone([ADMIN_TOKEN, PG_PASSWORD], 'the error', `${error.stack} ${JSON.stringify(error)}`);
          return true;
        },
      );
    });
  });
});
