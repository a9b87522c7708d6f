import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import { checkSignature, type ReceivedRequest, readSignature } from './signature.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const signer = new SignatureV4({
  service: 'secretsmanager',
  region: 'eu-central-1',
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET },
  sha256: Sha256,
});

function request(path: string, query: Record<string, string> = {}): HttpRequest {
  return new HttpRequest({
    method: 'POST',
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: 4566,
    path,
    query,
    headers: { host: '127.0.0.1:4566', 'content-type': 'application/x-amz-json-1.1', 'x-spaced': '  a   b ' },
    body: '{"SecretId":"käse"}',
  });
}

const percentEncoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

function received(signed: { method: string; path: string; query?: object; headers: object; body?: unknown }) {
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${percentEncoded(name)}=${percentEncoded(String(value))}`,
  );
  return {
    method: signed.method,
    path: signed.path,
    query: query.join('&'),
    rawHeaders: Object.entries(signed.headers).flat() as string[],
    body: Buffer.from((signed.body as string) ?? ''),
  } satisfies ReceivedRequest;
}

function check(wire: ReceivedRequest, { secret = SECRET, now = NOW } = {}) {
  const claim = readSignature(wire, 'secretsmanager');
  assert.ok(claim);
  checkSignature(wire, claim, secret, 'secretsmanager', now);
  return claim;
}

describe('a Signature Version 4 signature', () => {
  const when = { signingDate: new Date(NOW) };

  for (const path of ['/', '/base/path', '/base/path/', '/a%20b/%C3%A4/x~y', '/a/./b/../c']) {
    it(`of the reference signer is accepted for the path ${path}`, async () => {
      const claim = check(received(await signer.sign(request(path), when)));
      assert.equal(claim.region, 'eu-central-1');
      assert.equal(claim.accessKeyId, 'AKIDEXAMPLE');
    });
  }

  it('covers the query, in any order and with any characters', async () => {
    check(received(await signer.sign(request('/', { b: "x y+z/ä!'()*", a: '1', 'a-b': '', a2: '=' }), when)));
  });

  it('is accepted from a presigned URL until that expires', async () => {
    const presigned = await signer.presign(request('/'), { ...when, expiresIn: 60 });
    const wire = received(presigned);
    assert.equal(check(wire, { now: NOW + 59_000 }).presignedSeconds, 60);
    assert.throws(() => check(wire, { now: NOW + 61_000 }), { code: 'InvalidSignatureException', message: /expired/ });
  });

  it('is refused when the body, a signed header, the path, the method or the key differs', async () => {
    const wire = received(await signer.sign(request('/base'), when));
    const refused = { code: 'InvalidSignatureException', status: 400, message: /does not match/ };
    assert.throws(() => check({ ...wire, body: Buffer.from('{"SecretId":"other"}') }), refused);
    assert.throws(() => check({ ...wire, path: '/' }), refused);
    assert.throws(() => check({ ...wire, method: 'PUT' }), refused);
    assert.throws(() => check({ ...wire, query: 'x=1' }), refused);
    assert.throws(() => check(wire, { secret: 'another' }), refused);
    const headers = wire.rawHeaders.map((item) => (item.startsWith('application/') ? 'text/plain' : item));
    assert.throws(() => check({ ...wire, rawHeaders: headers }), refused);
  });

  it('is refused when it is more than fifteen minutes old or early', async () => {
    const wire = received(await signer.sign(request('/'), when));
    check(wire, { now: NOW + 14 * 60_000 });
    assert.throws(() => check(wire, { now: NOW + 16 * 60_000 }), {
      message: 'Signature expired: 20261124T120000Z is now earlier than 20261124T120100Z (20261124T121600Z - 15 min.)',
    });
    assert.throws(() => check(wire, { now: NOW - 16 * 60_000 }), { message: /Signature not yet current/ });
  });

  it('for another service is refused', async () => {
    const other = new SignatureV4({
      service: 'sts',
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET },
      sha256: Sha256,
    });
    const wire = received(await other.sign(request('/'), when));
    assert.throws(() => check(wire), { message: /scoped to correct service: 'secretsmanager'/ });
  });

  it('that is malformed is told apart from none', () => {
    const wire = received(request('/'));
    assert.equal(readSignature(wire, 'secretsmanager'), null);
    for (const authorization of [
      'Basic abc',
      'AWS4-HMAC-SHA256 Credential=a',
      'AWS4-HMAC-SHA256 Credential=a/b, Signature=0, SignedHeaders=host',
    ]) {
      assert.throws(
        () => readSignature({ ...wire, rawHeaders: [...wire.rawHeaders, 'Authorization', authorization] }, 'sts'),
        { code: 'IncompleteSignature', status: 403 },
      );
    }
  });
});
