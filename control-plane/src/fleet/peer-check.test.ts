import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { clusterIdentity } from './peer-check.ts';

it('under pki an expired certificate is refused also where TLS, resuming a session, says that it is fine', {
  skip: noCertificates,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-peers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ca = makeCertificate(folder, 'ca');
  const own = makeCertificate(folder, 'control-plane', { ca, extensions: [] });
  const { check } = clusterIdentity(
    { cluster_mtls: 'pki', cluster_ca_cert: ca.certFile, cluster_allowed_common_names: undefined },
    { certificateFile: own.certFile, keyFile: own.keyFile },
  );
  const verdictOf = async (days: number) => {
    const { cert } = makeCertificate(folder, 'node', { ca, extensions: [], days });
    return check({ certificate: new X509Certificate(cert), authorized: true });
  };
  assert.ok(!('refused' in (await verdictOf(1))));
  const expired = await verdictOf(-1);
  assert.match('refused' in expired ? expired.refused : '', /it has expired/);
});
