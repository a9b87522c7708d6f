import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Keyring } from './keyring.ts';

describe('a keyring', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-keyring-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  const read = (content: string | Buffer) => {
    const file = join(directory, 'keys');
    writeFileSync(file, content);
    return Keyring.read(file);
  };

  it('opens what it sealed, where it belongs and unchanged, and never seals the same twice', () => {
    const keyring = new Keyring([randomBytes(32)]);
    const sealed = keyring.seal('canary', 'here');
    assert.equal(keyring.open(sealed, 'here'), 'canary');
    assert.equal(keyring.open(sealed, 'there'), undefined);
    assert.notEqual(keyring.seal('canary', 'here').data, sealed.data);
    assert.ok(!Buffer.from(sealed.data, 'base64').includes('canary'));
    const bytes = Buffer.from(sealed.data, 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1;
      assert.equal(keyring.open({ ...sealed, data: flipped.toString('base64') }, 'here'), undefined);
    }
    assert.equal(keyring.open({ ...sealed, data: 'AAAA' }, 'here'), undefined);
  });

  it('is read from 32 bytes, hex or base64, and opens with a key that was first before', () => {
    const [old, recent] = [randomBytes(32), randomBytes(32)];
    const sealed = read(old).seal('canary', 'x');
    for (const content of [old.toString('hex'), `${old.toString('base64')}\n`, `# old\n${old.toString('base64url')}`]) {
      assert.equal(read(content).open(sealed, 'x'), 'canary');
    }
    const both = read(`${recent.toString('base64')}\n${old.toString('hex')}\n`);
    assert.equal(both.open(sealed, 'x'), 'canary');
    assert.equal(read(recent).open(both.seal('new', 'x'), 'x'), 'new');
    assert.equal(read(recent).open(sealed, 'x'), undefined);
  });

  it('says of a file that it can not use what it must be, and nothing of what is in it', () => {
    for (const content of ['', 'canary-key', `${randomBytes(32).toString('hex')}\ncanary-key\n`, randomBytes(31)]) {
      assert.throws(
        () => read(content),
        (error: Error) =>
          error.name === 'StartError' &&
          /^keyring_key_file = .*must hold 32 bytes/.test(error.message) &&
          !/canary/.test(error.message),
      );
    }
    assert.throws(() => Keyring.read(join(directory, 'none')), {
      name: 'StartError',
      message: /^keyring_key_file = .*none/,
    });
  });
});
