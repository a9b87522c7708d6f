import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { NO_GOOGLE_ENV, openGcp } from '../testing/open-gcp.ts';

describe('connections to Google', () => {
  it('are TLS that trusts ssl_trusted_certificate, for secrets and for tokens', { skip: noCertificates }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-gcp-tls-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const tls = makeCertificate(folder, 'emulator', { names: ['127.0.0.1'] });
    await using emulator = await startGcpEmulator({ tls });
    emulator.putSecret('db', 'one');
    assert.match(emulator.url, /^https:/);
    const byKey = { ...NO_GOOGLE_ENV, GCP_SERVICE_ACCOUNT: JSON.stringify(emulator.createKey()) };
    for (const env of [byKey, { GCE_METADATA_HOST: emulator.metadataHost }]) {
      await using trusting = await openGcp(emulator, {}, { env, trustedCertificates: ['system', tls.certFile] });
      assert.equal(await trusting.read('db'), 'one');
      await using wary = await openGcp(emulator, {}, { env });
      await assert.rejects(wary.read('db'), { code: 'unavailable', message: /can't be reached \(\w*SELF_SIGNED\w*/ });
    }
    const missing = { trustedCertificates: [join(folder, 'nope.pem')] };
    await using lost = await openGcp(emulator, {}, missing);
    await assert.rejects(lost.read('db'), { code: 'unavailable', message: /nope.pem can't be read: ENOENT/ });
  });

  it('that an endpoint has closed while they were idle are made anew, unnoticed', async () => {
    await using emulator = await startGcpEmulator();
    emulator.putSecret('db', 'one');
    await using gcp = await openGcp(emulator);
    for (let turn = 0; turn < 5; turn++) {
      assert.equal(await gcp.read('db'), 'one');
      await emulator.stop();
      await emulator.start();
    }
  });
});
