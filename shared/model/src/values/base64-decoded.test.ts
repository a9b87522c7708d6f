import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeBase64 } from './base64-decoded.ts';

describe('a value that is base64', () => {
  it('is the text that it stands for, whatever its padding and its lines', () => {
    for (const [base64, value] of [
      ['', ''],
      ['cGFzc3dvcmQ=', 'password'],
      ['cGFzc3dvcmQ', 'password'],
      ['cGFz\r\nc3dv\ncmQ=\n', 'password'],
      ['w7zwn5iA', 'ü😀'],
      ['77u/eA==', '\ufeffx'],
      ['AGE=', '\0a'],
    ] as const) {
      assert.deepEqual(decodeBase64(base64), { value, encoding: undefined });
    }
  });

  it('stays base64 where it stands for bytes that are no text', () => {
    assert.deepEqual(decodeBase64('/+8A'), { value: '/+8A', encoding: 'base64' });
    assert.deepEqual(decodeBase64('/+\n8'), { value: '/+8=', encoding: 'base64' });
  });

  it('is refused where it is none, and not shown', () => {
    for (const wrong of ['a', 'abcde', 'ab=c', 'a b=', '====', 'a-_b', 'pässword', 'c2Vj\tcmV0', '{"a":1}', 'YQ===']) {
      assert.throws(() => decodeBase64(wrong), {
        code: 'not_base64',
        message: 'the value is no base64, and base64_decode is set',
      });
    }
  });
});
