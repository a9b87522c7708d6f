import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { freePorts } from '@vaultplane/testkit/free-ports.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, DATA_PLANE_MAIN, Deployment } from './deployment.ts';

interface Line {
  event: string;
  [member: string]: unknown;
}

describe("addresses in Kong's form, of running programs", { skip: noCertificates }, () => {
  const deployment = new Deployment();
  let own: TestCertificate;
  before(() => {
    own = makeCertificate(deployment.folder, 'node', { names: ['127.0.0.1', '::1', 'localhost'] });
  });
  after(() => deployment.stop());

  const lines = (name: string): Line[] =>
    readFileSync(join(deployment.folder, `${name}.log`), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
  const ready = (name: string) => lines(name).find(({ event }) => event === 'ready')!;
  const tls = (prefix: string) => ({
    [`VAULTPLANE_${prefix}_SSL_CERT`]: own.certFile,
    [`VAULTPLANE_${prefix}_SSL_CERT_KEY`]: own.keyFile,
  });
  const ask = (url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const request = url.startsWith('https:') ? tlsRequest : plainRequest;
      const take = async (answer: IncomingMessage) =>
        resolve({ status: answer.statusCode!, body: await text(answer).catch(() => '') });
      request(url, { headers, ca: own.cert, checkServerIdentity: () => undefined, agent: false }, take)
        .on('error', reject)
        .end();
    });
  /** A program that is expected to end. */
  const run = async (main: string, args: string[], env: NodeJS.ProcessEnv) => {
    const options = { env, cwd: deployment.folder, timeout: 60_000 };
    return promisify(execFile)(process.execPath, [main, ...args], options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };

  it('are all listened on, with and without TLS, and all told when ready', async () => {
    const [a, b, c, d, e, f, g] = (await freePorts(7)) as [number, number, number, number, number, number, number];
    const cp = await deployment.planControlPlane('cp-all', {
      VAULTPLANE_ADMIN_LISTEN: undefined,
      VAULTPLANE_STATUS_LISTEN: undefined,
      KONG_ADMIN_LISTEN: `127.0.0.1:${a} reuseport backlog=16384, 127.0.0.1:${b} http2 ssl reuseport, [::1]:${a} so_keepalive=30s::`,
      ...tls('ADMIN'),
      KONG_STATUS_LISTEN: `127.0.0.1:${c} ssl, 127.0.0.1:${d}`,
      ...tls('STATUS'),
    });
    cp.env.VAULTPLANE_CLUSTER_LISTEN = `${cp.clusterAddress} bind, 127.0.0.1:${e}`;
    await deployment.start('cp-all', CONTROL_PLANE_MAIN, cp.env, `http://127.0.0.1:${d}/status/ready`);
    const admin = [`http://127.0.0.1:${a}`, `https://127.0.0.1:${b}`, `http://[::1]:${a}`];
    const status = [`https://127.0.0.1:${c}`, `http://127.0.0.1:${d}`];
    assert.deepEqual(ready('cp-all').listening, {
      admin,
      cluster: [`wss://${cp.clusterAddress}/v1/cluster`, `wss://127.0.0.1:${e}/v1/cluster`],
      status,
    });
    for (const url of admin) {
      const { status: code, body } = await ask(url);
      assert.equal(code, 200, url);
      assert.deepEqual((JSON.parse(body) as { configuration: object }).configuration, {
        ...(JSON.parse(body) as { configuration: object }).configuration,
        admin_listen: [`127.0.0.1:${a}`, `127.0.0.1:${b} ssl`, `[::1]:${a}`],
      });
      // What a browser sends for another page is refused at every one of them.
      assert.equal((await ask(`${url}/vaults`, { origin: 'http://evil.example' })).status, 403, url);
      assert.equal((await ask(`${url}/vaults`, { host: 'evil.example' })).status, 403, url);
      assert.equal((await ask(`${url}/vaults`, { origin: new URL(url).origin })).status, 200, url);
    }
    for (const url of status) {
      assert.equal((await ask(`${url}/status/ready`)).status, 200, url);
      assert.equal((await ask(`${url}/status`, { host: 'evil.example' })).status, 403, url);
      assert.equal((await ask(`${url}/status`, { origin: new URL(url).origin })).status, 200, url);
    }
    const [warning, ...others] = lines('cp-all').filter(({ msg }) => /have no effect/.test(String(msg)));
    assert.deepEqual(warning?.flags, ['admin_listen: reuseport', 'admin_listen: http2']);
    assert.deepEqual(others, []);

    // A data plane comes by the second address of the link, and has its status over TLS alone.
    const dp = await deployment.planDataPlane('dp-all', cp, {
      VAULTPLANE_CLUSTER_CONTROL_PLANE: `127.0.0.1:${e}`,
      VAULTPLANE_STATUS_LISTEN: `127.0.0.1:${f}, [::1]:${g}`,
      ...tls('STATUS'),
    });
    await deployment.start('dp-all', DATA_PLANE_MAIN, dp.env, `${dp.apiUrl}/ping`);
    await until('the data plane is ready on both', async () =>
      (
        await Promise.all(
          [`https://127.0.0.1:${f}`, `https://[::1]:${g}`].map((url) =>
            ask(`${url}/status/ready`).catch(() => undefined),
          ),
        )
      ).every((answer) => answer?.status === 200),
    );
    assert.deepEqual((ready('dp-all').listening as { status: string[] }).status, [
      `https://127.0.0.1:${f}`,
      `https://[::1]:${g}`,
    ]);
    const { stdout, code } = await run(DATA_PLANE_MAIN, ['status'], dp.env);
    assert.equal(code, 0);
    assert.match(stdout, /linked to 127\.0\.0\.1:/);
  });

  it('may be off: then nothing is there, and commands say what is missing', async () => {
    const cp = await deployment.planControlPlane('cp-off', { KONG_ADMIN_LISTEN: 'off', VAULTPLANE_ADMIN_LISTEN: '' });
    await cp.start();
    assert.deepEqual(ready('cp-off').listening, {
      admin: [],
      cluster: [`wss://${cp.clusterAddress}/v1/cluster`],
      status: [cp.statusUrl],
    });
    assert.equal(ready('cp-off').admin, null);
    await assert.rejects(ask(cp.adminUrl), { code: 'ECONNREFUSED' });
    const { code, stderr } = await run(CONTROL_PLANE_MAIN, ['config', 'dump'], cp.env);
    assert.equal(code, 1);
    assert.match(stderr, /its Admin API is off \(admin_listen\)/);
    const dp = await deployment.planDataPlane('dp-off', cp, { VAULTPLANE_STATUS_LISTEN: 'off' });
    await deployment.start('dp-off', DATA_PLANE_MAIN, dp.env, `${dp.apiUrl}/ping`);
    await until('it is ready', () => lines('dp-off').some(({ event }) => event === 'ready'));
    assert.deepEqual((ready('dp-off').listening as { status: string[] }).status, []);
    await assert.rejects(ask(dp.statusUrl), { code: 'ECONNREFUSED' });
    const shown = await run(DATA_PLANE_MAIN, ['status'], dp.env);
    assert.match(shown.stderr, /status_listen = off/);
  });

  it('are refused where anybody could call one of them without a token, or TLS has no certificate', async () => {
    const [a, b] = (await freePorts(2)) as [number, number];
    for (const [listen, more, said] of [
      [`127.0.0.1:${a}, 0.0.0.0:${b}`, {}, `admin_listen = 0.0.0.0:${b} can be reached from other machines`],
      [`127.0.0.1:${a}, 127.0.0.1:${b} ssl`, {}, 'needs admin_ssl_cert and admin_ssl_cert_key'],
      [`127.0.0.1:${a} sll`, {}, 'sll is no flag of it; did you mean ssl?'],
      ['', { VAULTPLANE_CLUSTER_LISTEN: 'off' }, 'cluster_listen = "off" is not allowed'],
    ] as const) {
      const cp = await deployment.planControlPlane('cp-refused', { VAULTPLANE_ADMIN_LISTEN: listen, ...more });
      const { code, stderr } = await run(CONTROL_PLANE_MAIN, ['start'], cp.env);
      assert.equal(code, 1, said);
      assert.ok(stderr.includes(said), stderr);
    }
  });

  it('are named where one is taken by another program', async (t) => {
    const [a] = (await freePorts(1)) as [number];
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    for (const setting of ['ADMIN', 'STATUS', 'CLUSTER']) {
      const env = { [`VAULTPLANE_${setting}_LISTEN`]: `127.0.0.1:${a}, 127.0.0.1:${port}` };
      const cp = await deployment.planControlPlane('cp-taken', env);
      const { code, stderr } = await run(CONTROL_PLANE_MAIN, ['start'], cp.env);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`${setting.toLowerCase()}_listen = 127\\.0\\.0\\.1:${port} is in use`));
    }
  });
});
