import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { type StatusServer, startStatusServer } from './status-server.ts';

const PATHS = ['/status', '/status/live', '/status/ready', '/metrics', '/nothing'];

function serverOn(host: string): Promise<StatusServer> {
  return startStatusServer({
    listen: [{ host, port: 0, ssl: false }],
    facts: () => ({ ready: true, reasons: [], node: 'what-a-page-would-like-to-know' }) as never,
    metrics: async () =>
      ({ contentType: 'text/plain', text: async () => 'what-a-page-would-like-to-know 1\n' }) as never,
    setReadiness: () => {},
    log: silentLog,
  });
}

function ask(port: number, path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode!, text }));
    });
    sent.once('error', reject).end();
  });
}

/** What browsers send for pages from elsewhere. */
const pagesFromElsewhere = (port: number): Array<Record<string, string>> => [
  { origin: 'null' },
  { origin: 'https://evil.example' },
  { origin: `https://127.0.0.1:${port}` },
  { origin: `http://127.0.0.1:${port + 1}` },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
];

describe("a data plane's status", () => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    it(`on ${host} is told to no page from elsewhere`, async () => {
      const server = await serverOn(host);
      const port = Number(new URL(server.urls[0]!).port);
      for (const headers of pagesFromElsewhere(port)) {
        for (const path of PATHS) {
          const { status, text } = await ask(port, path, headers);
          assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`);
          assert.doesNotMatch(text, /would-like/);
        }
      }
      await server.stop();
    });

    it(`on ${host} is told to monitoring, through a proxy too, and to a browser that is pointed at it`, async () => {
      const server = await serverOn(host);
      const port = Number(new URL(server.urls[0]!).port);
      for (const headers of [
        {},
        { 'x-forwarded-for': '10.1.2.3' },
        { forwarded: 'for=10.1.2.3' },
        { via: '1.1 proxy' },
        { 'sec-fetch-site': 'none' },
        { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' },
      ] as Array<Record<string, string>>) {
        const { status, text } = await ask(port, '/status', headers);
        assert.deepEqual([status, /would-like/.test(text)], [200, true], JSON.stringify(headers));
      }
      await server.stop();
    });
  }

  it('is asked by a name of others only where it is not on a loopback address', async () => {
    for (const [host, expected] of [
      ['127.0.0.1', 403],
      ['0.0.0.0', 200],
    ] as const) {
      const server = await serverOn(host);
      const port = Number(new URL(server.urls[0]!).port);
      assert.equal((await ask(port, '/metrics', { host: `evil.example:${port}` })).status, expected);
      assert.equal((await ask(port, '/metrics', { host: `LocalHost:${port}` })).status, 200);
      await server.stop();
    }
  });
});
