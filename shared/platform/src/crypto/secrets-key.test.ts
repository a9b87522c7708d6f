import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog } from '../logging/log.ts';
import { readSecretsKey, secretsKeyOf } from './secrets-key.ts';

describe('secrets_key_file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-key-'));
  after(() => rmSync(folder, { recursive: true }));
  let files = 0;
  const fileWith = (content: string | Uint8Array): string => {
    const path = join(folder, `key-${files++}`);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const bytes = randomBytes(32);
  bytes[0] = 0xff;

  it('is 32 bytes in hex, in base64, in base64url, or as they are', () => {
    const { id } = secretsKeyOf(Buffer.from(bytes));
    const hex = bytes.toString('hex');
    for (const content of [
      hex,
      `${hex}\n`,
      ` ${hex.toUpperCase()}\r\n`,
      bytes.toString('base64'),
      `${bytes.toString('base64')}\n`,
      bytes.toString('base64url'),
      bytes,
    ]) {
      const read = readSecretsKey(fileWith(content));
      assert.equal(read.id, id);
      assert.deepEqual(read.key.export(), bytes);
    }
  });

  it('is what the command in its own error makes', (t) => {
    try {
      execFileSync('openssl', ['version']);
    } catch {
      t.skip('there is no openssl on this machine');
      return;
    }
    const path = join(folder, 'made');
    execFileSync('sh', ['-c', `(umask 077; openssl rand -hex 32 > ${path})`]);
    assert.equal(readSecretsKey(path).key.symmetricKeySize, 32);
  });

  it('is refused where it is anything else, without showing it', () => {
    const half = bytes.toString('hex').slice(0, 32);
    for (const content of [
      '',
      half,
      'a password',
      bytes.subarray(1),
      Buffer.concat([bytes, bytes]),
      `${half}${half}00`,
    ]) {
      const path = fileWith(content);
      assert.throws(
        () => readSecretsKey(path),
        (error: Error) => {
          assert.equal(error.name, 'StartError');
          assert.match(error.message, /^secrets_key_file = .* must hold a key of 32 bytes/);
          assert.ok(!error.message.includes(half));
          return true;
        },
      );
    }
    assert.throws(() => readSecretsKey(join(folder, 'none')), /can't be read: ENOENT/);
  });

  it('that everybody may read is warned of', () => {
    const path = fileWith(bytes);
    let said = '';
    const log = createLog('test', 'info', {
      write(line) {
        said += line;
      },
    });
    readSecretsKey(path, log);
    assert.equal(said, '');
    chmodSync(path, 0o644);
    readSecretsKey(path, log);
    assert.match(said, /open to every user/);
  });
});
