import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { wearConnections } from '@vaultplane/testkit/worn-connections.ts';
import { LocalApi } from './local-api.ts';

it('a command asks the data plane once more where its kept connection died while it was idle', async (t) => {
  const server = createServer((_request, response) => response.end('{"value":"bar"}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  await using way = await wearConnections((server.address() as AddressInfo).port);
  const api = new LocalApi({ host: '127.0.0.1', port: way.port }, 'token');
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await api.json('GET', '/v1/resolve'), { value: 'bar' });
  assert.equal(way.resets(), 2);
});
