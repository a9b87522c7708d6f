import { canonicalJson } from '@vaultplane/model/snapshots/canonical.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { mapInTurns } from '@vaultplane/platform/time/next-turn.ts';
import type { KnownVaults } from './known-vaults.ts';

/** What a change did to one vault. */
export interface VaultChange {
  vaultId: string;
  /** Null where it was not there. */
  before: VaultEntity | null;
  /** Null where it is gone. */
  after: VaultEntity | null;
}

/** What has become of vaults, by their ids: of each that differs now. */
export async function changesOf(
  before: ReadonlyMap<string, VaultEntity | null>,
  made: KnownVaults,
): Promise<VaultChange[]> {
  const changes = await mapInTurns(before, ([vaultId, was]) => {
    const after = made.find({ id: vaultId }) ?? null;
    return isSameVault(was, after) ? undefined : { vaultId, before: was, after };
  });
  return changes.filter((change) => change !== undefined);
}

function isSameVault(a: VaultEntity | null, b: VaultEntity | null): boolean {
  if (a === null || b === null) return a === b;
  return a.updated_at === b.updated_at && hasSameContent(a, b);
}

/** Whether two vaults differ in no more than when they were changed. */
export function hasSameContent(a: VaultEntity, b: VaultEntity): boolean {
  // What is compared soonest first: most that differ do so in their description.
  return (
    a.description === b.description &&
    a.id === b.id &&
    a.prefix === b.prefix &&
    a.name === b.name &&
    a.created_at === b.created_at &&
    canonicalJson(a.tags) === canonicalJson(b.tags) &&
    canonicalJson(a.config) === canonicalJson(b.config)
  );
}
