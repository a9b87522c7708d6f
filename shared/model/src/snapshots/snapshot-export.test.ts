import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { encodeForMany, encodeMessage, snapshotMessage } from '../protocol/protocol.ts';
import type { VaultEntity } from '../vaults/entity.ts';
import { ExportKey, publicKeyPem, publicKeysIn } from './export-key.ts';
import { makeSnapshot } from './snapshot.ts';
import { type ExportTrust, encodeExport, openExport } from './snapshot-export.ts';

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
  const exportKey = ExportKey.generate();
  const byKey: ExportTrust = { by: 'key', keys: [exportKey.publicKey] };
  const identityOf = ({ cert, key }: TestCertificate) => ({ certificate: cert, key });
  const exportBy = async (certificate: TestCertificate, chain = '', key: ExportKey | undefined = exportKey) =>
    encodeExport(
      await encodeForMany(snapshotMessage(SNAPSHOT)),
      { defaults: DEFAULTS, exportedAt: EXPORTED_AT },
      { certificate: certificate.cert + chain, key: certificate.key },
      key,
    );
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-export-'));
    own = makeCertificate(folder, 'shared');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('gives back what was exported to whoever knows the export key', async () => {
    const document = await exportBy(own);
    const opened = openExport(document, byKey, Date.now());
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
    const large = encodeExport(encoded, { defaults: {}, exportedAt: 0 }, identityOf(own), exportKey);
    assert.ok(large.length < encoded.bytes.length / 2);
    assert.deepEqual(openExport(large, byKey, Date.now()).snapshot, many);
  });

  it('is refused when any one byte of it has changed, or it was cut at any place', async () => {
    const ca = makeCertificate(folder, 'ca');
    const cp = makeCertificate(folder, 'cp-1', { ca, names: ['cp-1.internal'] });
    const document = await exportBy(cp);
    const authority = { by: 'authority', ca: ca.cert, names: ['cp-1.internal'], strictUsage: false } as const;
    // The second line is the certificate's signature, which the export key's does not go by.
    const lineEnd = document.indexOf('\n', 1 + document.indexOf('\n'));
    const certificateLine = (at: number) => at > document.indexOf('\n') && at < lineEnd;
    for (const trust of [byKey, authority]) {
      assert.equal(openExport(document, trust, Date.now()).snapshot.version, 7);
      for (let at = 0; at < document.length; at++) {
        assert.throws(() => openExport(document.subarray(0, at), trust, Date.now()), { name: 'ExportRefused' });
        if (trust === byKey && certificateLine(at)) continue;
        const flipped = Buffer.from(document);
        flipped[at] = flipped[at]! ^ 0x01;
        assert.throws(() => openExport(flipped, trust, Date.now()), { name: 'ExportRefused' }, `byte ${at}`);
      }
    }
  });

  it('is refused when another key signed it, or none, or what is signed is false', async () => {
    const other = ExportKey.generate();
    const refused = (document: Buffer, message: RegExp, trust = byKey) =>
      assert.throws(() => openExport(document, trust, Date.now()), { name: 'ExportRefused', message });
    refused(await exportBy(own, '', other), /not signed by the export key that this data plane trusts \(SHA-256 /);
    const unsigned = encodeExport(
      await encodeForMany(snapshotMessage(SNAPSHOT)),
      { defaults: DEFAULTS, exportedAt: EXPORTED_AT },
      identityOf(own),
    );
    refused(unsigned, /no export key has signed it/);
    // A proof of the link is no signature of an export, whatever it was made to sign.
    const headerLine = unsigned.toString('latin1').split('\n')[2]!;
    const body = unsigned.subarray(unsigned.indexOf(headerLine));
    const proof = exportKey.sign('control plane of this link', body).toString('base64');
    const message = body.subarray(headerLine.length);
    refused(
      Buffer.concat([
        unsigned.subarray(0, unsigned.indexOf(headerLine)),
        Buffer.from(`${headerLine.slice(0, -1)},"signature":"${proof}"}`),
        message,
      ]),
      /not signed by the export key/,
    );
    const lie = { ...SNAPSHOT, vaults: [] };
    const bytes = { bytes: encodeMessage(snapshotMessage(lie)), compressed: undefined };
    const facts = { defaults: {}, exportedAt: 0 };
    refused(encodeExport(bytes, facts, identityOf(own), exportKey), /the hash of version 7 is wrong/);
    const refusal = { bytes: encodeMessage({ type: 'refuse', code: 'x', reason: 'x' }), compressed: undefined };
    refused(encodeExport(refusal, facts, identityOf(own), exportKey), /holds no snapshot/);
    refused(Buffer.from('<html>'), /ends too early/);
    // Two are trusted while one replaces the other.
    const both: ExportTrust = { by: 'key', keys: [other.publicKey, exportKey.publicKey] };
    assert.equal(openExport(await exportBy(own), both, Date.now()).snapshot.version, 7);
  });

  it('is signed by certificates of any kind, and export keys of two', async () => {
    const ca = makeCertificate(folder, 'ca');
    for (const key of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    ]) {
      const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      const certificate = makeCertificate(folder, 'any-kind', { ca, names: ['cp'], key: pem });
      const trust = { by: 'authority', ca: ca.cert, names: ['cp'], strictUsage: false } as const;
      assert.equal(openExport(await exportBy(certificate), trust, Date.now()).snapshot.version, 7);
      if (key.privateKey.asymmetricKeyType === 'rsa') {
        assert.throws(() => ExportKey.parse(pem), /its key must be an Ed25519 or P-384 key/);
        continue;
      }
      const signer = ExportKey.parse(pem);
      const [publicKey] = publicKeysIn(publicKeyPem(signer.publicKey));
      const document = await exportBy(own, '', signer);
      assert.equal(openExport(document, { by: 'key', keys: [publicKey!] }, Date.now()).snapshot.version, 7);
    }
  });

  it('is taken from whomever the CA has signed for, for the right name (pki), and says why from nobody else', async () => {
    const ca = makeCertificate(folder, 'ca');
    const between = makeCertificate(folder, 'between', { ca });
    const cp = makeCertificate(folder, 'cp-1', { ca, names: ['cp-1.internal', '10.0.0.1'] });
    const under = makeCertificate(folder, 'cp-1', { ca: between, names: ['cp-1.internal'] });
    const trust = {
      ...({ by: 'authority', ca: ca.cert, strictUsage: false } as const),
      names: ['other.internal', 'cp-1.internal'],
    } as const;
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
    const forBoth = makeCertificate(folder, 'cp-1', {
      ca,
      names: ['cp-1.internal'],
      extensions: ['extendedKeyUsage=clientAuth,serverAuth'],
    });
    const server = makeCertificate(folder, 'cp-1', {
      ca,
      names: ['cp-1.internal'],
      extensions: ['extendedKeyUsage=serverAuth'],
    });
    // As those of 0.1.0, until cluster_strict_usage = on.
    assert.deepEqual(open(await exportBy(forBoth)).snapshot, SNAPSHOT);
    assert.deepEqual(open(await exportBy(server), { strictUsage: true }).snapshot, SNAPSHOT);
    const leaf = makeCertificate(folder, 'leaf', { ca, extensions: ['basicConstraints=critical,CA:false'] });
    const byLeaf = makeCertificate(folder, 'cp-1', { ca: leaf, names: ['cp-1.internal'] });
    const wrong: Array<[RegExp, Buffer, object?]> = [
      [/not signed by cluster_ca_cert/, await exportBy(stranger)],
      [/not signed by cluster_ca_cert/, await exportBy(under)],
      [/not signed by cluster_ca_cert/, await exportBy(byLeaf, leaf.cert)],
      [/has expired/, await exportBy(expired)],
      [/not for a server/, await exportBy(client)],
      [/it is for a client too/, await exportBy(forBoth), { strictUsage: true }],
      [/does not say that it is for a server/, await exportBy(cp), { strictUsage: true }],
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
