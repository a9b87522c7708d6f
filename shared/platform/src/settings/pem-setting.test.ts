import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { inlinePem, isCutPem, readPemLater, readPemSetting, shownPem } from './pem-setting.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUZm9v\n-----END CERTIFICATE-----\n';
const BASE64 = Buffer.from(PEM).toString('base64');

describe('a setting for a certificate or a key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-pem-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is a path, PEM, or base64 of PEM, in one line or in several', async () => {
    const path = join(folder, 'a.pem');
    writeFileSync(path, PEM);
    for (const value of [path, PEM, BASE64, BASE64.replace(/.{20}/g, '$&\n')]) {
      assert.equal(readPemSetting('cluster_cert', value), PEM);
      assert.equal(await readPemLater('cluster_cert', value), PEM);
    }
    assert.equal(inlinePem(path), undefined);
    assert.equal(inlinePem('certs/LS0tLS1CRUdJTi.pem'), undefined);
  });

  it('is never shown where it is no path', async () => {
    assert.equal(shownPem('/etc/vaultplane/a.pem'), '/etc/vaultplane/a.pem');
    for (const value of [PEM, BASE64]) assert.equal(shownPem(value), '(not shown)');
    const key = Buffer.from('no PEM at all, but a secret').toString('base64');
    const refused = { name: 'StartError', message: /^cluster_cert = \(not shown\) can't be read: .*base64 of PEM$/ };
    assert.throws(() => readPemSetting('cluster_cert', key), refused);
    await assert.rejects(readPemLater('cluster_cert', key), refused);
  });

  it('is known for cut off without its end', () => {
    assert.equal(isCutPem('-----BEGIN CERTIFICATE-----'), true);
    assert.equal(isCutPem(BASE64.slice(0, 40)), true);
    for (const value of [PEM, BASE64, '/etc/a.pem']) assert.equal(isCutPem(value), false);
  });
});
