import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lifetimesOf } from '@vaultplane/model/vaults/address.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { keyOf, scopeOf } from './secret-address.ts';
import type { Vault } from './vault-directory.ts';

describe('the key of a secret', () => {
  const type = VAULT_TYPES.get('aws')!;
  const config = { region: 'us-east-1', assume_role_arn: 'arn:aws:iam::1:role/r', role_session_name: 'KongVault' };
  const vault: Vault = {
    id: '00000000-0000-4000-8000-000000000001',
    origin: 'pushed',
    prefix: 'sm',
    type,
    config,
    regionFrom: undefined,
    lifetimes: lifetimesOf(config),
  };
  const scope = (version: { id?: string; stage?: string }) =>
    scopeOf({ vault, overrides: {}, roleArn: undefined, regionFrom: undefined, version }, config);

  // A release that wrote another one would lose on its upgrade all that was held on disk.
  it('is what every release has written to secrets.cache', () => {
    const identity = '["aws","us-east-1",null,"arn:aws:iam::1:role/r","KongVault",null]';
    assert.equal(
      keyOf({ scope: scope({ stage: 'AWSCURRENT' }), path: 'app/"db"' }),
      JSON.stringify([vault.id, identity, 'app/"db"', null, 'AWSCURRENT']),
    );
    assert.equal(
      keyOf({ scope: scope({ id: 'v-1' }), path: 'db' }),
      `["${vault.id}",${JSON.stringify(identity)},"db","v-1",null]`,
    );
  });
});
