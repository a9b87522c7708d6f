import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { type ControlPlane, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { DeckReplay } from './deck-replay.ts';

/** 14 days: Kong's default of cluster_data_plane_purge_delay. */
const PURGE_DELAY_S = 1_209_600;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What Kong's users and their scripts ask of a fleet. */
describe('the fleet as Kong shows it', () => {
  const deployment = new Deployment();
  let cp: ControlPlane;
  let dps: [DataPlane, DataPlane];
  before(async () => {
    cp = await deployment.planControlPlane('cp');
    await cp.start();
    dps = [await deployment.planDataPlane('dp-1', cp), await deployment.planDataPlane('dp-2', cp)];
    await Promise.all(dps.map((dp) => dp.start()));
  });
  after(() => deployment.stop());
  const now = () => Date.now() / 1000;

  it('/clustering/status has data planes and nothing else; the rest is in /status', async () => {
    const answer = await fetch(`${cp.adminUrl}/clustering/status`);
    const members = Object.entries((await answer.json()) as Record<string, Record<string, unknown>>);
    assert.equal(members.length, 2);
    for (const [id, member] of members) {
      assert.match(id, UUID);
      assert.deepEqual(Object.keys(member).sort(), ['config_hash', 'hostname', 'ip', 'last_seen']);
      assert.equal(member.ip, '127.0.0.1');
    }
    assert.equal(answer.headers.get('deprecation'), 'true');
    const { vaultplane } = (await cp.get('/status')) as {
      vaultplane: { config: { version: number }; data_planes: { connected: number } };
    };
    assert.equal(vaultplane.data_planes.connected, 2);
    assert.equal(typeof vaultplane.config.version, 'number');
  });

  it('/clustering/data-planes has Kong’s members, and pages', async () => {
    type Page = { data: Array<Record<string, unknown>>; next: string | null; offset?: string };
    const page = async (path: string) => (await cp.get(path)) as unknown as Page;
    const { data: all, next } = await page('/clustering/data-planes');
    assert.deepEqual([all.length, next], [2, null]);
    for (const row of all) {
      assert.ok(Math.abs((row.ttl as number) - PURGE_DELAY_S) <= 3, String(row.ttl));
      assert.ok(Math.abs((row.updated_at as number) - now()) <= 3, String(row.updated_at));
      const { expiry_timestamp: expiry } = row.cert_details as { expiry_timestamp: number };
      assert.ok(expiry > now() && Number.isInteger(expiry));
      assert.equal(row.sync_status, 'normal');
    }
    const first = await page('/clustering/data-planes?size=1');
    assert.deepEqual([first.data.length, typeof first.offset], [1, 'string']);
    assert.match(first.next!, /^\/clustering\/data-planes\?offset=.*&size=1$/);
    const second = await page(first.next!);
    assert.deepEqual(
      [...first.data, ...second.data].map(({ id }) => id),
      all.map(({ id }) => id),
    );
    assert.equal(second.next, null);
    for (const wrong of ['size=0', 'size=1001', 'offset=%20']) {
      assert.equal((await fetch(`${cp.adminUrl}/clustering/data-planes?${wrong}`)).status, 400);
    }
  });

  it('HEAD is answered as GET on every status route, without the body', async () => {
    const routes = [
      ...[cp.statusUrl, dps[0].statusUrl].flatMap((url) =>
        ['/status', '/status/live', '/status/ready', '/metrics', '/none'].map((path) => url + path),
      ),
      ...['/status', '/', '/clustering/status', '/clustering/data-planes'].map((path) => cp.adminUrl + path),
    ];
    for (const url of routes) {
      const [head, get] = await Promise.all([fetch(url, { method: 'HEAD' }), fetch(url)]);
      assert.equal(head.status, get.status, url);
      assert.equal(head.headers.get('content-type'), get.headers.get('content-type'), url);
      assert.equal(await head.text(), '', url);
      const put = await fetch(url, { method: 'PUT' });
      if (!url.startsWith(cp.adminUrl)) assert.match(put.headers.get('allow')!, /^GET, HEAD/, url);
    }
  });

  describe('draining', () => {
    const JSON_TYPE = { 'content-type': 'application/json' };
    const drain = (url: string, status: string, headers: Record<string, string> = JSON_TYPE) =>
      fetch(`${url}/status/ready`, { method: 'POST', headers, body: JSON.stringify({ status }) });
    /** With headers that fetch does not let through. */
    const sent = (url: string, headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const call = request(
          `${url}/status/ready`,
          { method: 'POST', headers: { ...JSON_TYPE, ...headers } },
          (answer) => resolve(answer.resume().statusCode!),
        );
        call.once('error', reject).end('{"status":"draining"}');
      });
    const programs = (): Array<[string, string]> => [
      ['the control plane', cp.statusUrl],
      ['a data plane', dps[0].statusUrl],
    ];

    it('by what `kong drain` sends makes a program not ready, and nothing else of it', async () => {
      for (const [name, url] of programs()) {
        const answer = await drain(url, 'draining');
        assert.deepEqual([answer.status, await answer.text()], [204, ''], name);
        const ready = await fetch(`${url}/status/ready`);
        assert.equal(ready.status, 503);
        assert.match(await ready.text(), /it is draining/);
        const status = await fetch(`${url}/status`);
        assert.deepEqual([status.status, ((await status.json()) as { draining: boolean }).draining], [200, true]);
        assert.equal((await fetch(`${url}/status/live`)).status, 200);
      }
      assert.equal((await fetch(`${cp.adminUrl}/vaults`)).status, 200);
      assert.equal((await dps[0].resolve('{vault://none/x}')).error?.code, 'unknown_vault');
      for (const [name, url] of programs()) {
        const form = new URLSearchParams({ status: 'ready' });
        assert.equal((await fetch(`${url}/status/ready`, { method: 'POST', body: form })).status, 204, name);
        assert.equal((await fetch(`${url}/status/ready`)).status, 200, name);
      }
      const { data } = (await cp.get('/audit/requests?path=/status/ready')) as {
        data: Array<Record<string, unknown>>;
      };
      assert.deepEqual(
        data.map(({ actor, role, method, status, detail, remote_address }) => [
          ...[actor, role, method, status, detail, remote_address],
        ]),
        ['ready', 'draining'].map((detail) => ['local', null, 'POST', 204, detail, '127.0.0.1']),
      );
    });

    it('is for programs of this machine, and for no page, proxy or other body', async () => {
      for (const [name, url] of programs()) {
        const { host } = new URL(url);
        const foreign: Array<Record<string, string>> = [
          { origin: 'https://evil.example' },
          { origin: 'null' },
          { host: 'evil.example' },
          { 'x-forwarded-for': '192.0.2.1' },
          { via: '1.1 proxy' },
          { 'sec-fetch-site': 'cross-site' },
        ];
        for (const headers of foreign) {
          assert.equal(await sent(url, headers), 403, `${name} ${JSON.stringify(headers)}`);
        }
        for (const status of ['', 'exiting', 'live']) assert.equal((await drain(url, status)).status, 400);
        const post = (body: string) => fetch(`${url}/status/ready`, { method: 'POST', headers: JSON_TYPE, body });
        for (const body of ['{', 'null', '7', '']) assert.equal((await post(body)).status, 400);
        assert.equal((await post(' '.repeat(2000))).status, 413);
        for (const path of ['/status', '/status/live', '/metrics']) {
          assert.equal((await fetch(url + path, { method: 'POST' })).status, 405);
        }
        assert.equal((await fetch(`${url}/status/ready`)).status, 200, name);
        assert.equal(await sent(url, { host }), 204);
        assert.equal((await drain(url, 'ready')).status, 204);
      }
    });
  });

  it('a log level that is set for a time goes back afterwards, and both are in the audit log', async () => {
    const level = async () => (await cp.get('/debug/node/log-level')).message;
    const put = async (path: string, body?: URLSearchParams | string) => {
      const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
      const init = { method: 'PUT', headers, ...(body !== undefined && { body }) };
      return (await fetch(`${cp.adminUrl}/debug/node/log-level/${path}`, init)).status;
    };
    assert.equal(await level(), 'log level: info');
    assert.equal(await put('debug?timeout=1'), 200);
    assert.equal(await level(), 'log level: debug');
    await until('the level is info again', async () => (await level()) === 'log level: info');
    await until('both changes are in the audit log', async () => {
      const { data } = (await cp.get('/audit/requests?path=/debug/')) as { data: Array<Record<string, unknown>> };
      const told = data.slice(0, 2).map(({ method, detail }) => [method, detail]);
      return JSON.stringify(told) === '[["TIMEOUT","log level debug -> info"],["PUT","log level info -> debug"]]';
    });
    // Set again before the end, it goes back to what was before all of it; without a time it stays.
    assert.equal(await put('debug?timeout=600'), 200);
    assert.equal(await put('warn?timeout=600'), 200);
    assert.equal(await put('warn?timeout=0'), 200);
    assert.equal(await level(), 'log level: info');
    assert.equal(await put('debug?timeout=1'), 200);
    assert.equal(await put('warn'), 200);
    assert.equal(await put('error?timeout=1'), 200);
    await until('the level is warn again', async () => (await level()) === 'log level: warn');
    assert.equal(await put('info'), 200);
    // As `curl --data timeout=1` and `http PUT … timeout:=1` send it.
    for (const body of [new URLSearchParams({ timeout: '1' }), '{"timeout": 1}']) {
      assert.equal(await put('debug', body), 200);
      assert.equal(await level(), 'log level: debug');
      await until('the level is info again', async () => (await level()) === 'log level: info');
    }
    for (const body of [new URLSearchParams({ timeout: 'soon' }), '{"timeout": -1}', '{"timeout": [1]}', '[]']) {
      assert.equal(await put('debug', body), 400, String(body));
    }
    for (const wrong of ['debug?timeout=-1', 'debug?timeout=x', 'debug?timeout=99999999', 'loud?timeout=1']) {
      assert.equal(await put(wrong), 400, wrong);
    }
    assert.equal(await level(), 'log level: info');
  });

  it('/default and /workspaces/default are there for `deck -w default`, and no other workspace', async () => {
    const workspace = await cp.get('/workspaces/default');
    assert.equal(workspace.name, 'default');
    assert.match(String(workspace.id), UUID);
    assert.deepEqual(await cp.get('/default/workspaces/default'), workspace);
    assert.deepEqual(((await cp.get('/workspaces')) as { data: unknown[] }).data, [workspace]);
    assert.deepEqual(await cp.get('/default'), await cp.get('/'));
    assert.deepEqual(await cp.get('/default/vaults?size=5'), { data: [], next: null });
    for (const none of ['/workspaces/team-a', '/team-a/vaults', '/defaults/vaults', '/default/default/vaults']) {
      assert.equal((await fetch(cp.adminUrl + none)).status, 404, none);
    }
    const deck = new DeckReplay(`${cp.adminUrl}/default`, '');
    const file = 'vaults: [{ name: env, prefix: of-deck, config: { prefix: A_ } }]';
    assert.equal((await deck.sync(file)).create.length, 1);
    assert.deepEqual(await deck.diff(file), { create: [], update: [], delete: [] });
    assert.equal((await cp.get('/vaults/of-deck')).name, 'env');
    await deck.reset();
  });
});
