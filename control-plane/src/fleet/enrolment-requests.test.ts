import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { it } from 'node:test';
import { JOIN_PATH } from '@vaultplane/model/protocol/enrolment.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type Enrolment, EnrolmentRefused } from './enrolment.ts';
import { EnrolmentRequests } from './enrolment-requests.ts';

it('bodies that never end keep only others of their own address from joining', async (t) => {
  const enrolment = {
    join: () => Promise.reject(new EnrolmentRefused('bad_token', 'no invitation has this token')),
  } as unknown as Enrolment;
  const requests = new EnrolmentRequests(enrolment, silentLog);
  let begun = 0;
  const server = createServer((request, response) => {
    begun++;
    requests.take(request, response, String(request.headers['x-address']));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const slow = Array.from({ length: 64 }, () => connect(port, '127.0.0.1'));
  t.after(() => {
    for (const socket of slow) socket.destroy();
    server.close();
  });
  for (const socket of slow) {
    socket.on('error', () => {});
    socket.write(`POST ${JOIN_PATH} HTTP/1.1\r\nHost: a\r\nX-Address: 10.0.0.1\r\nContent-Length: 100\r\n\r\n{`);
  }
  await until('all have begun', () => begun === slow.length);
  const statusFor = async (address: string) => {
    const body = JSON.stringify({ token: 'wrong', csr: '' });
    const headers = { 'x-address': address };
    return (await fetch(`http://127.0.0.1:${port}${JOIN_PATH}`, { method: 'POST', body, headers })).status;
  };
  assert.deepEqual([await statusFor('10.0.0.1'), await statusFor('10.0.0.2')], [503, 403]);
});
