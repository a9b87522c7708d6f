import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { isWeakToken } from './token-strength.ts';

it('a token of 128 random bits is strong, however it is written; one of fewer is weak', () => {
  const digits = (count: number) =>
    BigInt(`0x${randomBytes(40).toString('hex')}`)
      .toString()
      .slice(0, count);
  for (let round = 0; round < 1000; round++) {
    const [strong, weak] = [randomBytes(16), randomBytes(15)];
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      assert.ok(!isWeakToken(strong.toString(encoding)), encoding);
      assert.ok(isWeakToken(weak.toString(encoding)), encoding);
    }
    assert.ok(!isWeakToken(strong.toString('hex').toUpperCase()));
    assert.ok(!isWeakToken(randomUUID()));
    assert.ok(!isWeakToken(digits(39)));
    assert.ok(isWeakToken(digits(38)));
  }
});

it('a token that is not made at random is weak where that shows', () => {
  for (const token of ['', 'a', 'hunter2', 'password', 'a'.repeat(100), '12'.repeat(50), 'abcabcabc'.repeat(10)]) {
    assert.ok(isWeakToken(token), token);
  }
});
