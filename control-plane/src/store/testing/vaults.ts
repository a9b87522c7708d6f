import { randomUUID } from 'node:crypto';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';

/** A vault of an id of its own: of type env, and otherwise as little as one can be, but for `members`. */
export function newVault(prefix: string, members: Partial<VaultEntity> = {}): VaultEntity {
  return {
    id: randomUUID(),
    prefix,
    name: 'env',
    description: null,
    config: {},
    tags: null,
    created_at: 1,
    updated_at: 1,
    ...members,
  };
}
