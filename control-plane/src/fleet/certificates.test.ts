import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createCertificates, ensureSharedCertificate } from './certificates.ts';

describe('certificates of the cluster link', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-certs-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  const read = (file: string) => new X509Certificate(readFileSync(file));

  it('are made once in data_dir: ECDSA P-384, CN vaultplane_clustering, for 10 years, the key for its owner only', async () => {
    const files = await ensureSharedCertificate(directory);
    const certificate = read(files.certificateFile);
    const key = createPrivateKey(readFileSync(files.keyFile));
    assert.equal(certificate.subject, 'CN=vaultplane_clustering');
    assert.equal(key.asymmetricKeyDetails?.namedCurve, 'secp384r1');
    assert.ok(certificate.checkPrivateKey(key));
    assert.ok(certificate.verify(certificate.publicKey));
    const years = (new Date(certificate.validTo).getTime() - Date.now()) / (365.25 * 86_400_000);
    assert.ok(years > 9.9 && years < 10.1);
    assert.equal(statSync(files.keyFile).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory).sort(), ['cluster.crt', 'cluster.key']);

    await ensureSharedCertificate(directory);
    assert.equal(read(files.certificateFile).fingerprint256, certificate.fingerprint256);
  });

  it('are not overwritten by certs create', async () => {
    const made = await createCertificates(join(directory, 'shared'));
    assert.deepEqual(
      made.map((file) => file.slice(directory.length)),
      ['/shared/cluster.crt', '/shared/cluster.key'],
    );
    await assert.rejects(createCertificates(join(directory, 'shared')), {
      name: 'StartError',
      message: /is there already/,
    });
  });

  it('of nodes are signed by one CA, which is made the first time', async () => {
    const out = join(directory, 'pki');
    assert.equal((await createCertificates(out, 'cp-1')).length, 4);
    assert.equal((await createCertificates(out, 'dp-1.example.com')).length, 2);
    const ca = read(join(out, 'ca.crt'));
    assert.ok(ca.ca);
    assert.equal(statSync(join(out, 'ca.key')).mode & 0o777, 0o600);
    for (const node of ['cp-1', 'dp-1.example.com']) {
      const certificate = read(join(out, `${node}.crt`));
      assert.equal(certificate.subject, `CN=${node}`);
      assert.equal(certificate.checkHost(node), node);
      assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
      assert.ok(!certificate.ca);
    }
    // Without its key the CA can sign for nobody, and another one would part the cluster.
    rmSync(join(out, 'ca.key'));
    await assert.rejects(createCertificates(out, 'dp-2'), {
      name: 'StartError',
      message: /^the CA's key = .*ca\.key can't be read/,
    });
    for (const bad of ['ca', '../x', 'a b', ''])
      await assert.rejects(createCertificates(out, bad), { name: 'StartError' });
  });
});
