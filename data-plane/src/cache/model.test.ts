import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkWorlds } from './testing/world-search.ts';

it('the vault engine, beside a small obvious model, never serves what that would not, nor fails where it would serve', async () => {
  const { finding } = await checkWorlds({ numRuns: 300 });
  assert.equal(finding, undefined);
});
