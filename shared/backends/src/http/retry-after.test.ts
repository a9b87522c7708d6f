import assert from 'node:assert/strict';
import { it } from 'node:test';
import { retryAfterOf } from './retry-after.ts';

it('an answer asks for a pause in whole seconds, of five minutes at most', () => {
  for (const [text, seconds] of [
    ['1', 1],
    ['300', 300],
    ['301', 300],
    ['9'.repeat(400), 300],
    ['0', undefined],
    ['-5', undefined],
    ['1e9', undefined],
    ['Infinity', undefined],
    ['Tue, 01 Dec 2026 00:00:00 GMT', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(retryAfterOf({ 'retry-after': text }).retryAfterSeconds, seconds, String(text));
  }
});
