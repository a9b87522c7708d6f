import { createHash } from 'node:crypto';
import { makeSnapshot, type Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';

export const TIMELINE = '11111111-1111-4111-8111-111111111111';
export const OTHER_TIMELINE = '22222222-2222-4222-8222-222222222222';

/** A vault of type env whose variables begin with `prefix` in capitals. */
export function envVault(prefix: string, description: string | null = null): VaultEntity {
  const digest = createHash('sha256').update(prefix).digest('hex');
  const id = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
  return {
    id,
    prefix,
    name: 'env',
    description,
    config: { prefix: `${prefix.toUpperCase().replaceAll('-', '_')}_` },
    tags: null,
    created_at: 1_700_000_000,
    updated_at: 1_700_000_000,
  };
}

export function snapshotOf(version: number, prefixes: string[], timeline = TIMELINE): Snapshot {
  return makeSnapshot(
    timeline,
    version,
    prefixes.map((prefix) => envVault(prefix)),
  );
}
