import { randomUUID } from 'node:crypto';
import { canonicalJson } from '@vaultplane/shared/canonical.ts';
import { LongWork, mapInTurns } from '@vaultplane/shared/next-turn.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/shared/vaults/schema-violation.ts';
import { unmasked } from '@vaultplane/shared/vaults/sensitive.ts';
import type { VaultInput } from '@vaultplane/shared/vaults/validation.ts';
import type { ConfigEdit } from '../store/config-edit.ts';
import { InvalidDocument, MAX_ERRORS, STOPPED } from './config-document.ts';
import { diffVault, type VaultDiff } from './vault-diff.ts';

/**
 * Makes the vaults exactly those of a document: one that is left out is deleted. A vault without an id is the one of
 * its prefix, if there is one.
 *
 * @returns the vaults as they are now
 * @throws InvalidDocument for a mask that stands for nothing
 */
export async function applyDocument(edit: ConfigEdit, wanted: readonly VaultInput[]): Promise<VaultEntity[]> {
  await edit.replaceAll(await merge(await edit.all(), wanted, edit.nowSeconds));
  return edit.all();
}

/** What applying a document would do, in order of prefix. @throws InvalidDocument for a mask that stands for nothing */
export async function diffDocument(
  current: readonly VaultEntity[],
  wanted: readonly VaultInput[],
): Promise<VaultDiff[]> {
  return diffVaults(current, await merge(current, wanted, 0));
}

/** What leads from some vaults to others, in order of prefix. */
export async function diffVaults(current: readonly VaultEntity[], after: readonly VaultEntity[]): Promise<VaultDiff[]> {
  const before = new Map(current.map((vault) => [vault.id, vault]));
  const kept = new Set(after.map(({ id }) => id));
  const content = (vault: VaultEntity) => canonicalJson({ ...vault, updated_at: 0 });
  const diffs = await mapInTurns(after, (vault) => {
    const was = before.get(vault.id) ?? null;
    return was && content(was) === content(vault) ? undefined : diffVault(was, vault);
  });
  const gone = current.filter(({ id }) => !kept.has(id));
  diffs.push(...(await mapInTurns(gone, (vault) => diffVault(vault, null))));
  return diffs.filter((diff) => diff !== undefined).sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

async function merge(
  current: readonly VaultEntity[],
  wanted: readonly VaultInput[],
  nowSeconds: number,
): Promise<VaultEntity[]> {
  const byId = new Map(current.map((vault) => [vault.id, vault]));
  const byPrefix = new Map(current.map((vault) => [vault.prefix, vault]));
  const claimed = new Set(wanted.map(({ id }) => id));
  const lines: string[] = [];
  const errors: unknown[] = wanted.map(() => null);
  const merged: VaultEntity[] = [];
  const work = new LongWork();
  for (const [index, input] of wanted.entries()) {
    if (work.isTurnDue) await work.giveTurn();
    const namesake = byPrefix.get(input.prefix);
    const existing =
      input.id === undefined ? (namesake && !claimed.has(namesake.id) ? namesake : undefined) : byId.get(input.id);
    try {
      merged.push({
        ...unmasked(input, existing),
        id: existing?.id ?? input.id ?? randomUUID(),
        created_at: input.created_at ?? existing?.created_at ?? nowSeconds,
        updated_at: nowSeconds,
      });
    } catch (error) {
      if (!(error instanceof SchemaViolation)) throw error;
      errors[index] = error.fields;
      lines.push(`vaults.${index + 1}: ${error.message}`);
      if (lines.length < MAX_ERRORS) continue;
      lines.push(STOPPED);
      break;
    }
  }
  if (lines.length > 0) throw new InvalidDocument(lines, { vaults: errors } as unknown as InvalidDocument['fields']);
  return merged;
}
