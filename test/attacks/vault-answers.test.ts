import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { it } from 'node:test';
import { Deployment } from '../e2e/deployment.ts';

const MB = 1024 * 1024;
/** 31 MB each, 40 of them, as one JSON text. */
const PIECE = Buffer.alloc(MB, 'x');
const PIECES = 31;
const ANSWERS = 40;
/** What the answers may add to what the program has without them: all that may be under way, read and not yet collected. */
const MAX_GROWTH_BYTES = 150 * MB;

it('a vault server that answers with 31 MB, 40 times at once, gets none of it kept', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const waiting: ServerResponse[] = [];
  let sent = 0;
  const malicious = createServer((request, response) => {
    if (request.url === '/v1/secret/small') {
      return response.end('{"request_id":"1","data":{"value":"fine"}}');
    }
    if (!request.url?.startsWith('/v1/secret/')) {
      return response.end('{"request_id":"1","data":{"ttl":0,"renewable":false,"policies":[]}}');
    }
    waiting.push(response);
    // All at once, so that all are under way together.
    if (waiting.length === ANSWERS) for (const each of waiting) pipeline(flood, each, () => {});
    return undefined;
  }).listen(0, '127.0.0.1');
  await once(malicious, 'listening');
  t.after(() => {
    malicious.closeAllConnections();
    malicious.close();
  });
  async function* flood(): AsyncGenerator<Buffer> {
    yield Buffer.from('{"request_id":"1","data":{"value":"');
    for (let piece = 0; piece < PIECES; piece++) {
      sent++;
      yield PIECE;
    }
    yield Buffer.from('"}}');
  }

  const keyring = join(deployment.folder, 'keyring');
  writeFileSync(keyring, randomBytes(32).toString('base64'), { mode: 0o600 });
  const controlPlane = await deployment.planControlPlane('cp', { VAULTPLANE_KEYRING_KEY_FILE: keyring });
  await controlPlane.start();
  await controlPlane.putVault('evil', {
    name: 'hcv',
    'config.host': '127.0.0.1',
    'config.port': String((malicious.address() as AddressInfo).port),
    'config.protocol': 'http',
    'config.token': 'a-token',
  });
  const dataPlane = await deployment.planDataPlane('dp', controlPlane);
  const program = await dataPlane.start();
  await dataPlane.caughtUpWith(controlPlane);
  assert.equal((await dataPlane.resolve('{vault://evil/small/value}')).value, 'fine');

  const before = residentBytes(program.pid);
  let peak = before;
  const look = setInterval(() => {
    peak = Math.max(peak, residentBytes(program.pid));
  }, 10);
  const answers = await Promise.all(
    Array.from({ length: ANSWERS }, (_, index) => dataPlane.resolve(`{vault://evil/large-${index}/}`)),
  ).finally(() => clearInterval(look));
  for (const { error } of answers) {
    assert.equal(error?.code, 'unavailable');
    assert.match(error!.message, /larger than 1048576 bytes/);
  }
  t.diagnostic(`${Math.round((peak - before) / MB)} MB more in memory, ${sent} MB sent`);
  assert.ok(peak - before < MAX_GROWTH_BYTES, `${Math.round((peak - before) / MB)} MB more`);
  assert.ok(sent < (ANSWERS * PIECES) / 2, `${sent} MB were taken off the server`);
  assert.equal((await dataPlane.resolve('{vault://evil/small/value}', { refresh: true })).value, 'fine');
});

/** Of a process, by Linux's own account. */
function residentBytes(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}
