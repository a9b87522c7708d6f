import { randomUUID } from 'node:crypto';
import { canonicalJson } from '@vaultplane/shared/canonical.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import type { VaultInput } from '@vaultplane/shared/vaults/validation.ts';
import type { ConfigEdit } from '../store/config-store.ts';

/** What applying a document would do, by prefix. */
export interface DocumentDiff {
  create: string[];
  update: string[];
  delete: string[];
}

/**
 * Makes the vaults exactly those of a document: one that is left out is deleted. A vault without an id is the one of
 * its prefix, if there is one.
 *
 * @returns the vaults as they are now
 */
export async function applyDocument(edit: ConfigEdit, wanted: readonly VaultInput[]): Promise<VaultEntity[]> {
  await edit.replaceAll(merge(await edit.all(), wanted, edit.nowSeconds));
  return edit.all();
}

export function diffDocument(current: readonly VaultEntity[], wanted: readonly VaultInput[]): DocumentDiff {
  const before = new Map(current.map((vault) => [vault.id, vault]));
  const after = merge(current, wanted, 0);
  const kept = new Set(after.map(({ id }) => id));
  const prefixes = (vaults: readonly VaultEntity[]) => vaults.map(({ prefix }) => prefix).sort();
  const content = (vault: VaultEntity) => canonicalJson({ ...vault, updated_at: 0 });
  return {
    create: prefixes(after.filter(({ id }) => !before.has(id))),
    update: prefixes(
      after.filter((vault) => before.has(vault.id) && content(before.get(vault.id)!) !== content(vault)),
    ),
    delete: prefixes(current.filter(({ id }) => !kept.has(id))),
  };
}

function merge(current: readonly VaultEntity[], wanted: readonly VaultInput[], nowSeconds: number): VaultEntity[] {
  const byId = new Map(current.map((vault) => [vault.id, vault]));
  const byPrefix = new Map(current.map((vault) => [vault.prefix, vault]));
  const claimed = new Set(wanted.map(({ id }) => id));
  return wanted.map((input) => {
    const namesake = byPrefix.get(input.prefix);
    const existing =
      input.id === undefined ? (namesake && !claimed.has(namesake.id) ? namesake : undefined) : byId.get(input.id);
    return {
      ...input,
      id: existing?.id ?? input.id ?? randomUUID(),
      created_at: input.created_at ?? existing?.created_at ?? nowSeconds,
      updated_at: nowSeconds,
    };
  });
}
