import assert from 'node:assert/strict';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { after, before, it } from 'node:test';
// What @peculiar/x509 is built with needs it, and does not bring it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { signs } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Actor } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { describeOnBothDatabases, storeOn } from '../store/testing/stores.ts';
import { CertificateAuthority } from './certificate-authority.ts';
import { EnrolledIdentity } from './enrolled-identity.ts';
import { Enrolment } from './enrolment.ts';
import { checkInvitation, parseLabels, parseTtl } from './new-invitation.ts';

const ACTOR: Actor = { name: 'a test', role: 'admin', remoteAddress: null };
const REQUEST = { method: 'COMMAND', path: 'node invite' };
const DAY_MS = 86_400_000;

/** Runs beside the real one, as far ahead of it as a test says: the database's own goes on as it is. */
let ahead = 0;
const clock: Clock = { ...systemClock, now: () => Date.now() + ahead };

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A signing request for a key, DER; each time for another one where none is given. */
async function request(keys?: webcrypto.CryptoKeyPair): Promise<Buffer> {
  const made = keys ?? (await newKeys());
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ keys: made, signingAlgorithm: ALGORITHM });
  return Buffer.from(csr.rawData);
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

describeOnBothDatabases('enrolment', (open) => {
  let database: Database;
  const keys = [randomBytes(32), randomBytes(32)];
  const keyring = new Keyring([keys[0]!]);
  before(async () => {
    database = await open();
    await storeOn(database);
  });
  after(() => database?.close());

  /** As a control plane of its own on the database. */
  async function enrolment(): Promise<Enrolment> {
    const store = await storeOn(database, clock);
    return new Enrolment({
      authority: await CertificateAuthority.open(database, keyring),
      invitations: store.invitations,
      nodes: store.nodes,
      certificateSeconds: 90 * 86_400,
      graceSeconds: 30 * 86_400,
      clock,
      log: silentLog,
    });
  }

  const invite = async (by: Enrolment, uses: number | null = 1) =>
    (await by.invite({ name: null, labels: {}, uses, ttl: null }, ACTOR, REQUEST)).token;
  const join = async (by: Enrolment) =>
    new X509Certificate((await by.join(await invite(by), await request(), null)).certificate);

  it('has one CA, also where several control planes are the first at once, and its key is in the database sealed only', async () => {
    await database.query('delete from certificate_authority');
    const pins = await Promise.all([1, 2, 3].map(async () => (await CertificateAuthority.open(database, keyring)).pin));
    assert.equal(new Set(pins).size, 1);
    const rows = JSON.stringify(await database.query('select * from certificate_authority'));
    assert.doesNotMatch(rows, /PRIVATE/);
    await assert.rejects(CertificateAuthority.open(database, undefined), /needs keyring_key_file/);
    await assert.rejects(
      CertificateAuthority.open(database, new Keyring([randomBytes(32)])),
      /is encrypted under key [0-9a-f]{16}, which keyring_key_file does not hold/,
    );
    // With a new key before the old one in the keyring, it is sealed by the new one, and the old one is needed no more.
    const pin = (await CertificateAuthority.open(database, new Keyring([keys[1]!, keys[0]!]))).pin;
    assert.equal((await CertificateAuthority.open(database, new Keyring([keys[1]!]))).pin, pin);
    await CertificateAuthority.open(database, new Keyring([keys[0]!, keys[1]!]));
    // Whoever writes to the database can't put another certificate in front of the key.
    const { makeAuthority } = await import('./certificate-maker.ts');
    const [{ certificate }] = (await database.query('select certificate from certificate_authority')) as [
      { certificate: string },
    ];
    await database.query('update certificate_authority set certificate = $1', [(await makeAuthority()).certificate]);
    await assert.rejects(CertificateAuthority.open(database, keyring), /does not hold/);
    await database.query('update certificate_authority set certificate = $1', [certificate]);
  });

  it('makes a control plane a certificate for a server alone, and another with another key after a third of its life', async () => {
    const authority = await CertificateAuthority.open(database, keyring);
    const controlPlaneId = '33333333-3333-4333-8333-333333333333';
    const identity = new EnrolledIdentity({
      ...{ authority, enrolment: await enrolment(), controlPlaneId, shared: undefined, clock },
    });
    const first = await identity.read();
    assert.deepEqual(new X509Certificate(first.certificate).keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.ok(signs(authority.parsed, new X509Certificate(first.certificate)));
    try {
      ahead = 9 * DAY_MS;
      assert.equal((await identity.read()).certificate, first.certificate);
      ahead = 11 * DAY_MS;
      const second = await identity.read();
      assert.notEqual(second.key, first.key);
      assert.ok(second.expiresAt > first.expiresAt);
    } finally {
      ahead = 0;
    }
    // It is no data plane's.
    await assert.rejects((await enrolment()).admit(new X509Certificate(first.certificate)), {
      code: 'foreign_certificate',
      message: 'the client certificate: it is not for a client',
    });
  });

  it('lets no more nodes join than may, over two control planes', async () => {
    const planes = await Promise.all([enrolment(), enrolment()]);
    const token = await invite(planes[0]!, 3);
    const requests = await Promise.all(Array.from({ length: 12 }, () => request()));
    const results = await Promise.allSettled(requests.map((_, at) => planes[at % 2]!.join(token, requests[at]!, null)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3);
    for (const result of results) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'used_up');
    }
  });

  it('gives the same answer to the same key, also at once on two control planes, and counts one use', async () => {
    const planes = await Promise.all([enrolment(), enrolment()]);
    const token = await invite(planes[0]!);
    const keys = await newKeys();
    const requests = [await request(keys), await request(keys)];
    const answers = await Promise.all(planes.map((plane, at) => plane.join(token, requests[at]!, null)));
    assert.deepEqual(answers[0], answers[1]);
  });

  it('accepts a certificate until the newer one is used, and no older one', async () => {
    const plane = await enrolment();
    const first = await join(plane);
    const renew = async (from: X509Certificate) =>
      new X509Certificate((await plane.renew(from, await request(), null)).certificate);
    await plane.admit(first);
    const second = await renew(first);
    // The answer may never have arrived.
    assert.equal((await plane.admit(first)).id, (await plane.admit(second)).id);
    await assert.rejects(plane.admit(first), { code: 'not_newest' });
    const third = await renew(second);
    await assert.rejects(plane.admit(first), { code: 'not_newest' });
    await assert.rejects(renew(first), { code: 'not_newest' });
    await plane.admit(third);
    await assert.rejects(plane.admit(second), { code: 'not_newest' });
  });

  it('renews no certificate again and again', async () => {
    const plane = await enrolment();
    let certificate = await join(plane);
    const renew = async () => {
      certificate = new X509Certificate((await plane.renew(certificate, await request(), null)).certificate);
    };
    for (let n = 0; n < 10; n++) await renew();
    await assert.rejects(renew(), { code: 'slow_down' });
    // Others are not in its way.
    const other = await join(plane);
    await plane.renew(other, await request(), null);
  });

  it('renews a certificate that ended less than the grace ago, once it has ended for nothing else, and not a day later', async () => {
    const plane = await enrolment();
    const certificate = await join(plane);
    try {
      ahead = 119 * DAY_MS;
      await assert.rejects(plane.admit(certificate), { code: 'ended' });
      ahead = 121 * DAY_MS;
      await assert.rejects(plane.renew(certificate, await request(), null), { code: 'ended' });
      ahead = 119 * DAY_MS;
      const renewed = new X509Certificate((await plane.renew(certificate, await request(), null)).certificate);
      assert.ok(await plane.admit(renewed));
    } finally {
      ahead = 0;
    }
  });

  it('neither accepts nor renews the certificate of a node that is revoked, or is not there any more', async () => {
    const plane = await enrolment();
    const certificate = await join(plane);
    const { id } = await plane.admit(certificate);
    await database.query('update nodes set revoked_at = now() where id = $1', [id]);
    await assert.rejects(plane.admit(certificate), { code: 'revoked' });
    await assert.rejects(plane.renew(certificate, await request(), null), { code: 'revoked' });
    assert.ok(await plane.isEnrolled(id));
    await database.query('delete from nodes where id = $1', [id]);
    await assert.rejects(plane.admit(certificate), { code: 'unknown_node' });
    await assert.rejects(plane.renew(certificate, await request(), null), { code: 'unknown_node' });
  });

  it('takes no signing request whose sender has not its key, and none of another kind of key', async () => {
    const plane = await enrolment();
    const wrong = await request();
    wrong[wrong.length - 5]! ^= 1;
    const rsa = await webcrypto.subtle.generateKey(
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
      true,
      ['sign', 'verify'],
    );
    const ofRsa = await x509.Pkcs10CertificateRequestGenerator.create({
      keys: rsa,
      signingAlgorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    });
    for (const csr of [wrong, Buffer.from(ofRsa.rawData), Buffer.from('no request'), Buffer.alloc(0)]) {
      await assert.rejects(plane.join(await invite(plane), csr, null), { code: 'bad_request' });
    }
  });
});

it('an invitation is checked as it is asked for', () => {
  assert.deepEqual(checkInvitation({}), { name: null, labels: {}, uses: 1, ttl: 3600 });
  assert.deepEqual(checkInvitation({ labels: { a: 'b' }, uses: null, ttl: null }), {
    ...{ name: null, labels: { a: 'b' }, uses: null, ttl: null },
  });
  for (const [wrong, why] of [
    [{ name: 'a b' }, /^name must/],
    [{ name: 'a', uses: 2 }, /^name goes with one use/],
    [{ uses: 0 }, /^uses must/],
    [{ ttl: 0.5 }, /^ttl must/],
    [{ labels: ['a'] }, /^labels must/],
    [{ labels: { a: 'b c' } }, /^labels must/],
    [{ usage: 1 }, /^unknown field usage/],
  ] as const) {
    assert.match(String(checkInvitation(wrong)), why);
  }
  assert.deepEqual(['90s', '30m', '1h', '7d', 'never'].map(parseTtl), [90, 1800, 3600, 604_800, null]);
  assert.deepEqual(['', '1', 'h', '1w', '-1h'].map(parseTtl), Array(5).fill(undefined));
  assert.deepEqual(parseLabels('a:b, c:d'), { a: 'b', c: 'd' });
  assert.equal(parseLabels('a'), undefined);
});
