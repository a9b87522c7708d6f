import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeForMany, encodeMessage, snapshotMessage } from './protocol.ts';
import { makeSnapshot } from './snapshot.ts';
import { type ExportTrust, encodeExport, openExport } from './snapshot-export.ts';
import { makeCertificate, noCertificates, type TestCertificate } from './testing/certificates.ts';
import type { VaultEntity } from './vaults/entity.ts';

const TIMELINE = '11111111-1111-4111-8111-111111111111';
const VAULT: VaultEntity = {
  id: '22222222-2222-4222-8222-222222222222',
  prefix: 'aws-sm-vault',
  name: 'aws',
  description: null,
  config: { region: 'us-east-1' },
  tags: null,
  created_at: 1,
  updated_at: 2,
};
const SNAPSHOT = makeSnapshot(TIMELINE, 7, [VAULT]);
const DEFAULTS = { vault_aws_region: 'eu-west-1' };
const EXPORTED_AT = 1_700_000_000_000;

describe('an exported configuration', { skip: noCertificates }, () => {
  let folder: string;
  let own: TestCertificate;
  const identityOf = ({ cert, key }: TestCertificate) => ({ certificate: cert, key });
  const exportBy = async (certificate: TestCertificate, chain = '') =>
    encodeExport(
      await encodeForMany(snapshotMessage(SNAPSHOT)),
      { defaults: DEFAULTS, exportedAt: EXPORTED_AT },
      { certificate: certificate.cert + chain, key: certificate.key },
    );
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-export-'));
    own = makeCertificate(folder, 'shared');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('gives back what was exported to whoever has the cluster certificate (shared)', async () => {
    const document = await exportBy(own);
    const opened = openExport(document, { mtls: 'shared', certificate: own.cert }, Date.now());
    assert.deepEqual(opened, { snapshot: SNAPSHOT, defaults: DEFAULTS, exportedAt: EXPORTED_AT });
    const many = makeSnapshot(
      TIMELINE,
      8,
      Array.from({ length: 300 }, (_, index) => ({
        ...VAULT,
        id: `${VAULT.id.slice(0, -3)}${100 + index}`,
        prefix: `v${index}`,
      })),
    );
    const encoded = await encodeForMany(snapshotMessage(many));
    assert.ok(encoded.compressed);
    const large = encodeExport(encoded, { defaults: {}, exportedAt: 0 }, identityOf(own));
    assert.ok(large.length < encoded.bytes.length / 2);
    assert.deepEqual(openExport(large, { mtls: 'shared', certificate: own.cert }, Date.now()).snapshot, many);
  });

  it('is refused when any one byte of it has changed, or it was cut at any place', async () => {
    const document = await exportBy(own);
    const trust: ExportTrust = { mtls: 'shared', certificate: own.cert };
    for (let at = 0; at < document.length; at++) {
      const flipped = Buffer.from(document);
      flipped[at] = flipped[at]! ^ 0x01;
      assert.throws(() => openExport(flipped, trust, Date.now()), { name: 'ExportRefused' }, `byte ${at}`);
      assert.throws(() => openExport(document.subarray(0, at), trust, Date.now()), { name: 'ExportRefused' });
    }
  });

  it('is refused when another signed it, also one that shows our certificate without its key, or what it signs is false', async () => {
    const other = makeCertificate(folder, 'shared');
    const trust: ExportTrust = { mtls: 'shared', certificate: own.cert };
    const refused = (document: Buffer, message: RegExp, now = Date.now()) =>
      assert.throws(() => openExport(document, trust, now), { name: 'ExportRefused', message });
    refused(await exportBy(other), /another than this data plane's cluster_cert/);
    refused(await exportBy({ ...own, key: other.key }), /its signature is wrong/);
    refused(await exportBy(own), /has expired/, Date.now() + 30 * 86_400_000);
    refused(await exportBy(own), /is not valid before/, Date.now() - 30 * 86_400_000);
    const lie = { ...SNAPSHOT, vaults: [] };
    const bytes = { bytes: encodeMessage(snapshotMessage(lie)), compressed: undefined };
    refused(encodeExport(bytes, { defaults: {}, exportedAt: 0 }, identityOf(own)), /the hash of version 7 is wrong/);
    const refusal = { bytes: encodeMessage({ type: 'refuse', code: 'x', reason: 'x' }), compressed: undefined };
    refused(encodeExport(refusal, { defaults: {}, exportedAt: 0 }, identityOf(own)), /holds no snapshot/);
    refused(Buffer.from('<html>'), /ends too early/);
  });

  it('is signed by keys of any kind', async () => {
    for (const key of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    ]) {
      const certificate = makeCertificate(folder, 'any-kind', {
        key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      });
      const document = await exportBy(certificate);
      assert.equal(
        openExport(document, { mtls: 'shared', certificate: certificate.cert }, Date.now()).snapshot.version,
        7,
      );
    }
  });

  it('is taken from whomever the CA has signed for, for the right name (pki), and says why from nobody else', async () => {
    const ca = makeCertificate(folder, 'ca');
    const between = makeCertificate(folder, 'between', { ca });
    const cp = makeCertificate(folder, 'cp-1', { ca, names: ['cp-1.internal', '10.0.0.1'] });
    const under = makeCertificate(folder, 'cp-1', { ca: between, names: ['cp-1.internal'] });
    const trust = { mtls: 'pki', ca: ca.cert, names: ['other.internal', 'cp-1.internal'] } as const;
    const open = (document: Buffer, changes: object = {}) => openExport(document, { ...trust, ...changes }, Date.now());
    assert.deepEqual(open(await exportBy(cp)).snapshot, SNAPSHOT);
    assert.deepEqual(open(await exportBy(cp), { names: ['10.0.0.1'] }).snapshot, SNAPSHOT);
    assert.deepEqual(open(await exportBy(cp), { allowedCommonNames: ['cp-1'] }).snapshot, SNAPSHOT);
    assert.deepEqual(open(await exportBy(under, between.cert)).snapshot, SNAPSHOT);

    const stranger = makeCertificate(folder, 'cp-1', { ca: makeCertificate(folder, 'ca'), names: ['cp-1.internal'] });
    const expired = makeCertificate(folder, 'cp-1', { ca, names: ['cp-1.internal'], days: -1 });
    const client = makeCertificate(folder, 'dp-1', {
      ca,
      names: ['cp-1.internal'],
      extensions: ['extendedKeyUsage=clientAuth'],
    });
    const leaf = makeCertificate(folder, 'leaf', { ca, extensions: ['basicConstraints=critical,CA:false'] });
    const byLeaf = makeCertificate(folder, 'cp-1', { ca: leaf, names: ['cp-1.internal'] });
    const wrong: Array<[RegExp, Buffer, object?]> = [
      [/not signed by cluster_ca_cert/, await exportBy(stranger)],
      [/not signed by cluster_ca_cert/, await exportBy(under)],
      [/not signed by cluster_ca_cert/, await exportBy(byLeaf, leaf.cert)],
      [/has expired/, await exportBy(expired)],
      [/not for a server/, await exportBy(client)],
      [/for none of the names dp-9.internal; cluster_server_name/, await exportBy(cp), { names: ['dp-9.internal'] }],
      [
        /cluster_allowed_common_names does not allow its common name "cp-1"/,
        await exportBy(cp),
        { allowedCommonNames: ['cp-2'] },
      ],
    ];
    for (const [message, document, changes] of wrong) {
      assert.throws(() => open(document, changes), { name: 'ExportRefused', message });
    }
  });
});
