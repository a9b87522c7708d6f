import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { it } from 'node:test';
import { noCertificates } from '@vaultplane/testkit/certificates.ts';
import { makePrivateKey, signingRequest } from './signing-request.ts';

it('a signing request is one that openssl reads and verifies, of the key, and names nobody', {
  skip: noCertificates,
}, () => {
  // Signatures of ECDSA differ in length: many, so that each length is met.
  for (let round = 0; round < 20; round++) {
    const key = makePrivateKey();
    const input = signingRequest(key);
    const read = (...args: string[]) =>
      execFileSync('openssl', ['req', '-inform', 'DER', '-noout', ...args], { input, encoding: 'utf8', stdio: 'pipe' });
    read('-verify');
    assert.equal(read('-pubkey'), createPublicKey(key).export({ type: 'spki', format: 'pem' }));
    assert.equal(read('-subject').trim(), 'subject=');
  }
});
