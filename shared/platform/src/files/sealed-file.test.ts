import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { secretsKeyOf } from '../crypto/secrets-key.ts';
import { BrokenSeal, type Seal, Sealer, unseal } from './sealed-file.ts';

const seal: Seal = { kind: 'secrets.cache 1', key: secretsKeyOf(randomBytes(32)), nodeId: 'node-1' };
const CANARY = 'canary-of-a-sealed-value';

function sealed(by: Seal, ...pieces: string[]): Buffer {
  const sealer = new Sealer(by);
  for (const piece of pieces) sealer.add(Buffer.from(piece));
  return Buffer.concat(sealer.finish());
}

describe('a sealed file', () => {
  it('gives back what was put in, piece by piece or in one', () => {
    assert.equal(unseal(seal, sealed(seal, 'one', ' ', 'two')).toString(), 'one two');
    assert.equal(unseal(seal, sealed(seal)).toString(), '');
  });

  it('shows nothing of its content, and is another file each time', () => {
    const [first, second] = [sealed(seal, CANARY), sealed(seal, CANARY)];
    assert.ok(!first.includes(CANARY) && !first.includes(Buffer.from(CANARY).toString('base64').slice(0, 20)));
    assert.notDeepEqual(first, second);
  });

  it('wipes what it was given to seal', () => {
    const plain = Buffer.from(CANARY);
    new Sealer(seal).add(plain);
    assert.ok(plain.every((byte) => byte === 0));
  });

  it('does not open when any one bit of it has changed, or it was cut or lengthened anywhere', () => {
    const whole = sealed(seal, CANARY, '{}');
    for (let at = 0; at < whole.length; at++) {
      for (const bit of [0x01, 0x20, 0x80]) {
        const flipped = Buffer.from(whole);
        flipped[at] = flipped[at]! ^ bit;
        assert.throws(() => unseal(seal, flipped), BrokenSeal, `byte ${at}, bit ${bit}`);
      }
      assert.throws(() => unseal(seal, whole.subarray(0, at)), BrokenSeal, `cut at ${at}`);
    }
    assert.throws(() => unseal(seal, Buffer.concat([whole, Buffer.from([0])])), BrokenSeal);
  });

  it('says why it does not open', () => {
    const why = (by: Seal, file: Buffer) => {
      try {
        unseal(by, file);
      } catch (error) {
        return (error as Error).message;
      }
      return 'it opened';
    };
    const file = sealed(seal, CANARY);
    assert.match(why({ ...seal, key: secretsKeyOf(randomBytes(32)) }, file), /another key/);
    assert.match(why({ ...seal, nodeId: 'node-2' }, file), /another node/);
    assert.match(why({ ...seal, kind: 'secrets.cache 2' }, file), /form 1, which this release does not read/);
    assert.match(why({ ...seal, kind: 'settings.cache 1' }, file), /does not begin with/);
    assert.match(why(seal, Buffer.alloc(0)), /empty/);
    assert.match(why(seal, file.subarray(0, 30)), /ends too early/);
    assert.match(why(seal, file.subarray(0, -1)), /authentication fails/);
    assert.match(why(seal, randomBytes(1000)), /ends too early|does not begin with/);
  });

  it('of one node is not opened as that of another though its header says so', () => {
    const forged = Buffer.from(sealed(seal, CANARY).toString('latin1').replace('node-1', 'node-2'), 'latin1');
    assert.throws(() => unseal({ ...seal, nodeId: 'node-2' }, forged), /authentication fails/);
  });
});
