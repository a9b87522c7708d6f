import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type ControlPlane, type DataPlane, Deployment } from './deployment.ts';

const MEGABYTE = 1024 * 1024;

describe('the HTTP servers of both programs', () => {
  const deployment = new Deployment();
  const socketPath = join(deployment.folder, 'api.sock');
  let control: ControlPlane;
  let data: DataPlane;
  before(async () => {
    control = await deployment.planControlPlane('cp');
    await control.start();
    data = await deployment.planDataPlane('dp', control, {
      VAULTPLANE_API_UNIX_SOCKET: socketPath,
      VAULTPLANE_VAULT_ENV_PREFIX: 'app_',
      APP_NAME: 'canary-shop',
    });
    await data.start();
  });
  after(() => deployment.stop());

  const tcp = (url: string) => () => connect(Number(new URL(url).port), '127.0.0.1');
  /** What is answered to bytes, until the other side ends the connection. */
  async function exchange(open: () => Socket, ...requests: string[]): Promise<string> {
    const socket = open();
    socket.on('error', () => {});
    for (const request of requests) socket.write(request);
    return text(socket);
  }
  const request = (line: string, ...headers: string[]) => `${[`${line} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n`;

  it('answer 400 to a request with two Host headers, whichever of them is a good one, and give no value', async () => {
    const token = `Authorization: Bearer ${data.token}`;
    const resolve = 'GET /v1/resolve?ref={vault://env/name}';
    const post = ['Content-Type: application/json', 'Content-Length: 2'];
    const local = [tcp(data.apiUrl), () => connect(socketPath)];
    const asked: Array<[what: string, open: () => Socket, line: string, headers: string[]]> = [
      ...local.map((open) => ['API', open, resolve, [token]] as [string, () => Socket, string, string[]]),
      ['API, no token', tcp(data.apiUrl), 'GET /ping', []],
      ['API, POST', tcp(data.apiUrl), 'POST /v1/resolve', [token, ...post]],
      ['AWS', tcp(data.apiUrl), 'POST /', [token, 'X-Amz-Target: secretsmanager.GetSecretValue', ...post]],
      ['status of a data plane', tcp(data.statusUrl), 'GET /status', []],
      ['Admin API', tcp(control.adminUrl), 'GET /vaults', []],
      ['Admin API, write', tcp(control.adminUrl), 'POST /vaults', post],
      ['Admin API, no route', tcp(control.adminUrl), 'GET /none', []],
      ['status of a control plane', tcp(control.statusUrl), 'GET /status', []],
      ['cluster', openCluster, 'GET /v1/cluster', []],
      ['cluster, link', openCluster, 'GET /v1/cluster', ['Upgrade: websocket', 'Connection: Upgrade']],
    ];
    function openCluster(): Socket {
      const port = Number(control.clusterAddress.split(':').at(-1));
      return connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    }
    for (const [what, open, line, headers] of asked) {
      const close = headers.some((header) => header.startsWith('Connection')) ? [] : ['Connection: close'];
      const body = line.startsWith('POST') ? '{}' : '';
      for (const hosts of [
        ['Host: localhost', 'Host: evil.example'],
        ['host: evil.example', 'HOST: localhost'],
        ['Host: localhost', 'Host: localhost'],
      ]) {
        const answer = await exchange(open, request(line, ...hosts, ...headers, ...close) + body);
        assert.match(answer, /^HTTP\/1\.1 400 /, `${what}: ${answer.slice(0, 200)}`);
        assert.match(answer, /more than one Host header/, what);
        assert.ok(!answer.includes('canary-shop'), what);
      }
    }
    // On a connection that has had a good answer by the short way.
    const answers = await exchange(
      tcp(data.apiUrl),
      request(resolve, 'Host: localhost', token),
      request(resolve, 'Host: localhost', 'Host: evil.example', token, 'Connection: close'),
    );
    assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  it('let clients that are still sending read that a body is too large', async () => {
    const doors = [
      [`${data.apiUrl}/v1/resolve`, 20 * MEGABYTE, { authorization: `Bearer ${data.token}` }],
      [
        `${data.apiUrl}/`,
        20 * MEGABYTE,
        { authorization: `Bearer ${data.token}`, 'x-amz-target': 'secretsmanager.GetSecretValue' },
      ],
      [`${control.adminUrl}/vaults`, 20 * MEGABYTE, {}],
      [`${control.adminUrl}/config`, 40 * MEGABYTE, {}],
    ] as const;
    for (const [url, bytes, more] of doors) {
      const headers = { 'content-type': 'application/json', ...more };
      for (let time = 0; time < 5; time++) {
        const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(bytes) });
        assert.equal(answer.status, 413, url);
        await answer.text();
      }
      const python = spawnSync('python3', ['-c', URLLIB, url, String(bytes), JSON.stringify(headers)], {
        encoding: 'utf8',
      });
      if (python.error) continue;
      assert.equal(python.stdout.trim(), '413', `${url}: ${python.stderr}`);
    }
  });

  it('cut off whoever goes on sending for long, and serve others meanwhile', async () => {
    const socket = tcp(control.adminUrl)();
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes));
    socket.write(
      request('POST /vaults', 'Host: localhost', 'Content-Type: application/json', `Content-Length: ${1e12}`),
    );
    const sending = setInterval(() => socket.write('x'.repeat(1000)), 200);
    try {
      await closed;
    } finally {
      clearInterval(sending);
    }
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.equal((await fetch(`${control.adminUrl}/vaults`)).status, 200);
  });
});

/** Sends all of a body before it reads. */
const URLLIB = `import json, sys, urllib.error, urllib.request
url, size, headers = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
try:
    urllib.request.urlopen(urllib.request.Request(url, bytes(size), headers, method='POST'))
except urllib.error.HTTPError as error:
    print(error.code)
`;
