import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { type Emulator, startEmulator } from './emulator.ts';

describe('S3', () => {
  let emulator: Emulator;
  before(async () => {
    emulator = await startEmulator({
      principals: [
        {
          name: 'reader',
          accessKeyId: 'AKIAREADER0000000000',
          secretAccessKey: 'reader-secret',
          policy: [{ effect: 'allow', actions: ['s3:GetObject'], resources: ['arn:aws:s3:::configs/*'] }],
        },
      ],
    });
  });
  after(() => emulator?.stop());

  /** Signs as the S3 clients of AWS do: the path as it is, the body's hash in a header. */
  async function call(
    method: string,
    path: string,
    options: { body?: Buffer; credentials?: object; tamper?: Buffer } = {},
  ) {
    const { body, tamper, credentials = emulator.credentials } = options;
    const { hostname, port } = new URL(emulator.url);
    const signer = new SignatureV4({
      service: 's3',
      region: 'us-east-1',
      credentials: credentials as typeof emulator.credentials,
      sha256: Sha256,
      uriEscapePath: false,
      applyChecksum: true,
    });
    const signed = await signer.sign({
      method,
      protocol: 'http:',
      hostname,
      port: Number(port),
      path,
      query: {},
      headers: { host: `${hostname}:${port}` },
      body,
    });
    const answer = await fetch(emulator.url + path, {
      method,
      headers: signed.headers,
      ...((tamper ?? body) && { body: tamper ?? body }),
    });
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
  }

  it('keeps objects, bytes as they are, under keys of any form', async () => {
    assert.equal((await call('PUT', '/configs')).status, 200);
    const body = Buffer.from([0, 255, 10, 195, 40]);
    const path = '/configs/a%20folder//the%2Bkey';
    assert.equal((await call('PUT', path, { body })).status, 200);
    const answer = await call('GET', path);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, body);
    assert.match(answer.headers.get('etag')!, /^"[0-9a-f]{32}"$/);
    assert.deepEqual(emulator.object('configs', 'a folder//the+key'), body);
    const [logged] = emulator.calls({ service: 's3', operation: 'GetObject' });
    assert.equal(logged?.secretIds[0], 'configs/a folder//the+key');
  });

  it("says what is wrong in S3's form", async () => {
    emulator.putObject('configs', 'there', Buffer.from('x'));
    const reader = { accessKeyId: 'AKIAREADER0000000000', secretAccessKey: 'reader-secret' };
    const wrong: Array<[string, number, ReturnType<typeof call>]> = [
      ['NoSuchKey', 404, call('GET', '/configs/not-there')],
      ['NoSuchBucket', 404, call('GET', '/no-such-bucket/x')],
      ['AccessDenied', 403, call('PUT', '/configs/there', { body: Buffer.from('y'), credentials: reader })],
      [
        'SignatureDoesNotMatch',
        403,
        call('GET', '/configs/there', { credentials: { ...reader, secretAccessKey: 'no' } }),
      ],
      [
        'SignatureDoesNotMatch',
        403,
        call('PUT', '/configs/there', { body: Buffer.from('y'), tamper: Buffer.from('z') }),
      ],
      [
        'InvalidAccessKeyId',
        403,
        call('GET', '/configs/there', { credentials: { ...reader, accessKeyId: 'AKIANOBODY' } }),
      ],
      ['MethodNotAllowed', 405, call('DELETE', '/configs/there')],
    ];
    for (const [code, status, asked] of wrong) {
      const answer = await asked;
      assert.match(answer.body.toString(), new RegExp(`<Error><Code>${code}</Code>`));
      assert.equal(answer.status, status, code);
    }
    assert.equal((await call('GET', '/configs/there', { credentials: reader })).body.toString(), 'x');
  });

  it('misbehaves on order, as the other services do', async () => {
    const order = emulator.order({
      match: { service: 's3', secret: 'configs/*' },
      behaviour: { kind: 'throttle' },
      times: 1,
    });
    assert.match((await call('GET', '/configs/there')).body.toString(), /<Code>SlowDown</);
    assert.equal(order.used, 1);
  });
});
