import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { BACKENDS } from './registry.ts';

it('every vault type has a backend that loads, and no backend is without a type', async () => {
  assert.deepEqual([...BACKENDS.keys()], [...VAULT_TYPES.keys()]);
  for (const [type, backend] of BACKENDS) assert.equal(typeof (await backend.load()).startFamily, 'function', type);
});
