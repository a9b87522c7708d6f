import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from './secret.ts';

const HOUR_MS = 3_600_000;

describe('a secret', () => {
  const fill = (count: number, everyMs: number): Secret => {
    const secret = new Secret('123456789012', 'us-east-1', 's', 'arn', 0);
    for (let i = 0; i < count; i++) secret.addVersion(`v${i}`, { text: String(i) }, null, i * everyMs);
    return secret;
  };

  it('drops the oldest versions without labels beyond a hundred once they are a day old', () => {
    const secret = fill(150, HOUR_MS);
    assert.equal(secret.versions.size, 100);
    assert.equal(secret.versions.has('v49'), false);
    assert.equal(secret.versions.has('v50'), true);
  });

  it('keeps every version of the last day', () => {
    assert.equal(fill(150, 1000).versions.size, 150);
  });

  it('keeps an old version that has a label', () => {
    const secret = fill(1, 0);
    secret.addVersion('pinned', { text: 'p' }, ['PINNED'], 0);
    for (let i = 1; i < 150; i++) secret.addVersion(`v${i}`, { text: String(i) }, null, i * HOUR_MS);
    assert.equal(secret.holderOf('PINNED')?.id, 'pinned');
    assert.equal(secret.versions.has('v0'), false);
  });
});
