import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Program } from '@vaultplane/local/program.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, Deployment } from '../e2e/deployment.ts';
import { rawAnswer, requestHead } from './raw-http.ts';

const ADMIN_TOKEN = 'the-admin-token-of-this-deployment-1';
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

describe('the Admin API of a control plane with tokens', () => {
  const deployment = new Deployment();
  let cp: ControlPlane;
  let program: Program;
  const call = (method: string, path: string, token?: string, body?: unknown) =>
    fetch(cp.adminUrl + path, {
      method,
      headers: { ...(token && { 'kong-admin-token': token }), ...(body ? { 'content-type': JSON_TYPE } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const makeToken = async (role: string) =>
    ((await (await call('POST', '/tokens', ADMIN_TOKEN, { role })).json()) as { token: string }).token;
  before(async () => {
    cp = await deployment.planControlPlane('cp', { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN });
    program = await cp.start();
  });
  after(() => deployment.stop());

  it('reads nothing of the body of somebody who may not do what it asks', async () => {
    const reader = await makeToken('reader');
    const editor = await makeToken('editor');
    const withToken = (token: string) => ({ 'kong-admin-token': token });
    for (const [status, method, path, headers] of [
      [401, 'POST', '/vaults', {}],
      [401, 'POST', '/config', withToken('wrong')],
      [403, 'POST', '/config', withToken(reader)],
      [403, 'PUT', '/vaults/x', withToken(reader)],
      [403, 'POST', '/tokens', withToken(editor)],
      [404, 'POST', '/no-such-place', withToken(ADMIN_TOKEN)],
      [405, 'PUT', '/vaults', withToken(ADMIN_TOKEN)],
    ] as const) {
      for (const type of [JSON_TYPE, FORM_TYPE, 'multipart/form-data; boundary=b', 'application/yaml', 'text/csv']) {
        // Of the body not one byte is sent: whoever waits for it does not answer.
        const head = requestHead(method, path, {
          ...{ host: new URL(cp.adminUrl).host, 'content-type': type, 'content-length': 9_000_000 },
          ...headers,
        });
        const answer = await rawAnswer(cp.adminUrl, head);
        assert.equal(answer.status, status, `${method} ${path} ${type}`);
      }
    }
  });

  it('takes a right token whatever number of wrong ones came from the same address', async () => {
    // Made by others, and not used yet: nothing of it is remembered.
    const token = await makeToken('reader');
    const wrong = (n: number) => `vpt_${n.toString(16).padStart(16, '0')}_${'x'.repeat(43)}`;
    const statuses = async () =>
      (await Promise.all(Array.from({ length: 20 }, (_, n) => call('GET', '/vaults', wrong(n))))).map(
        ({ status }) => status,
      );
    await statuses();
    assert.deepEqual(new Set(await statuses()), new Set([429]), 'the address has used up its tries');
    const flood = statuses();
    assert.equal((await call('GET', '/vaults', token)).status, 200);
    assert.equal((await call('GET', '/vaults', ADMIN_TOKEN)).status, 200);
    await flood;
    const halfRight = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    assert.equal((await call('GET', '/vaults', halfRight)).status, 429, 'the id of a token gives no more tries');
  });

  it('has its answers kept by no cache and taken for nothing else, whatever they are', async () => {
    for (const [path, token] of [
      ['/vaults', ADMIN_TOKEN],
      ['/vaults', undefined],
      ['/vaults/none', ADMIN_TOKEN],
      ['/vaults/%zz', ADMIN_TOKEN],
      ['/clustering/events', ADMIN_TOKEN],
      ['/openapi.json', ADMIN_TOKEN],
    ] as const) {
      const answer = await call('GET', path, token);
      await answer.body?.cancel();
      const { headers } = answer;
      assert.deepEqual([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff']);
    }
    const page = await call('GET', '/manager/');
    // The page's own files are public and revalidated by their hash.
    assert.deepEqual(
      [page.headers.get('cache-control'), page.headers.get('x-content-type-options')],
      ['no-cache', 'nosniff'],
    );
    for (const path of ['/status', '/status/live', '/metrics', '/none']) {
      const { headers } = await fetch(cp.statusUrl + path);
      assert.deepEqual([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff']);
    }
  });

  it('notes in the audit log who changed the log level, from what and to what', async () => {
    assert.equal((await call('PUT', '/debug/node/log-level/debug', ADMIN_TOKEN)).status, 200);
    program.send('SIGHUP');
    const entries = async () => {
      const { data } = (await (await call('GET', '/audit/requests', ADMIN_TOKEN)).json()) as {
        data: Array<{ actor: string; detail: string | null }>;
      };
      return data.flatMap(({ actor, detail }) => (detail === null ? [] : `${actor}: ${detail}`));
    };
    await until('both changes are in the audit log', async () => (await entries()).length === 2);
    assert.deepEqual(await entries(), ['signal: log level debug -> info', 'admin_token: log level info -> debug']);
  });
});

describe('a control plane without any token', () => {
  const deployment = new Deployment();
  let cp: ControlPlane;
  before(async () => {
    cp = await deployment.planControlPlane('open');
    await cp.start();
  });
  after(() => deployment.stop());
  const status = async (url: string, headers: Record<string, string>) => {
    const { host } = new URL(url);
    return (await rawAnswer(url, requestHead('GET', url === cp.adminUrl ? '/vaults' : '/status', { host, ...headers })))
      .status;
  };

  it("answers the seed's curl, and its own page", async () => {
    const { host } = new URL(cp.adminUrl);
    await cp.putVault('aws-sm-vault', { name: 'aws', 'config.region': 'us-east-1' });
    assert.equal(await status(cp.adminUrl, {}), 200);
    assert.equal(await status(cp.adminUrl, { origin: cp.adminUrl, 'sec-fetch-site': 'same-origin' }), 200);
    assert.equal(await status(cp.adminUrl, { host: host.toUpperCase(), 'sec-fetch-site': 'none' }), 200);
  });

  it('answers nothing that a browser sends for another page, nor what comes through a proxy', async () => {
    const port = Number(new URL(cp.adminUrl).port);
    for (const headers of [
      { origin: 'null' },
      { origin: 'https://evil.example' },
      { origin: `http://127.0.0.1:${port + 1}` },
      { origin: `https://127.0.0.1:${port}` },
      { origin: `http://localhost:${port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { host: `evil.example:${port}` },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
    ] as Array<Record<string, string>>) {
      assert.equal(await status(cp.adminUrl, headers), 403, JSON.stringify(headers));
      const isProxy = Object.keys(headers).some((name) => ['x-forwarded-for', 'forwarded', 'via'].includes(name));
      // Monitoring may come through a proxy.
      if (!isProxy && !headers.origin?.includes(`:${port}`)) {
        assert.equal(await status(cp.statusUrl, headers), 403, `status: ${JSON.stringify(headers)}`);
      }
    }
    const refused = await fetch(`${cp.adminUrl}/vaults`, { headers: { via: '1.1 proxy' } });
    assert.match(((await refused.json()) as { message: string }).message, /set admin_token = auto/);
  });
});

describe('admin_token = auto', () => {
  const deployment = new Deployment();
  const run = promisify(execFile);
  after(() => deployment.stop());
  const whoami = async (cp: ControlPlane, token?: string) =>
    (await fetch(`${cp.adminUrl}/whoami`, { headers: token ? { 'kong-admin-token': token } : {} })).status;
  const command = (cp: ControlPlane, ...args: string[]) =>
    run(process.execPath, [CONTROL_PLANE_MAIN, ...args], { env: cp.env, cwd: deployment.folder });

  it('makes a token that only this user can read, which commands find, and which stays', async () => {
    const cp = await deployment.planControlPlane('auto', { VAULTPLANE_ADMIN_TOKEN: 'auto' });
    const file = join(cp.dataDir, 'admin-token');
    const first = await cp.start();
    const token = readFileSync(file, 'utf8').trim();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.deepEqual([await whoami(cp), await whoami(cp, 'auto'), await whoami(cp, token)], [401, 401, 200]);
    // The running program has the database open: the command goes by its Admin API.
    const { stdout } = await command(cp, 'token', 'create', '--role', 'reader');
    assert.equal(await whoami(cp, stdout.trim()), 200);
    await first.stop();
    const second = await cp.start();
    assert.equal(readFileSync(file, 'utf8').trim(), token);
    assert.equal(await whoami(cp, token), 200);
    assert.ok(!second.output.includes(token));
    await second.stop();
  });

  it('takes no file that leads elsewhere, or holds no token', async () => {
    const cp = await deployment.planControlPlane('planted', { VAULTPLANE_ADMIN_TOKEN: 'auto' });
    await (await cp.start()).stop();
    const file = join(cp.dataDir, 'admin-token');
    const target = join(deployment.folder, 'of-somebody-else');
    for (const plant of [() => symlinkSync(target, file), () => writeFileSync(file, 'short\n')]) {
      rmSync(file);
      plant();
      await assert.rejects(cp.start(), /admin-token.*remove it to have one made/);
      assert.ok(!existsSync(target));
    }
  });
});
