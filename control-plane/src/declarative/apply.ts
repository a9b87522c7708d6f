import { randomUUID } from 'node:crypto';
import { canonicalJson } from '@vaultplane/model/snapshots/canonical.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/model/vaults/schema-violation.ts';
import { unmasked } from '@vaultplane/model/vaults/sensitive.ts';
import type { VaultInput } from '@vaultplane/model/vaults/validation.ts';
import { LongWork, mapInTurns } from '@vaultplane/platform/time/next-turn.ts';
import type { ConfigEdit } from '../store/config-edit.ts';
import { InvalidDocument, MAX_ERRORS, type ReadDocument, STOPPED } from './config-document.ts';
import { hasTags } from './document-scope.ts';
import { diffVault, type VaultDiff } from './vault-diff.ts';

/** A document that would change vaults outside of its scope. */
export class ScopeConflict extends InvalidDocument {
  override readonly name = 'ScopeConflict';
}

/**
 * Makes the vaults of a document's scope exactly those of the document: one that is left out is deleted. A vault without
 * an id is the one of its prefix, if there is one. Vaults outside of the scope stay as they are.
 *
 * @returns the vaults of the scope as they are now
 * @throws InvalidDocument for a mask that stands for nothing; ScopeConflict
 */
export async function applyDocument(edit: ConfigEdit, document: ReadDocument): Promise<VaultEntity[]> {
  await edit.replaceAll(await merge(await edit.all(), document, edit.nowSeconds));
  return (await partedBy(await edit.all(), document.selectTags)).inScope;
}

/**
 * What applying a document would do, in order of prefix.
 *
 * @throws InvalidDocument for a mask that stands for nothing; ScopeConflict
 */
export async function diffDocument(current: readonly VaultEntity[], document: ReadDocument): Promise<VaultDiff[]> {
  return diffVaults(current, await merge(current, document, 0));
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

/** All vaults as they are once a document is applied, those outside of its scope too. */
async function merge(
  current: readonly VaultEntity[],
  { vaults: wanted, selectTags }: ReadDocument,
  nowSeconds: number,
): Promise<VaultEntity[]> {
  const { inScope, others } = await partedBy(current, selectTags);
  const byId = new Map(inScope.map((vault) => [vault.id, vault]));
  const byPrefix = new Map(inScope.map((vault) => [vault.prefix, vault]));
  const claimed = new Set(wanted.map(({ id }) => id));
  const merged: VaultEntity[] = [];
  await checkEach(wanted, InvalidDocument, (input) => {
    const namesake = byPrefix.get(input.prefix);
    const existing =
      input.id === undefined ? (namesake && !claimed.has(namesake.id) ? namesake : undefined) : byId.get(input.id);
    merged.push({
      ...unmasked(input, existing),
      id: existing?.id ?? input.id ?? randomUUID(),
      created_at: input.created_at ?? existing?.created_at ?? nowSeconds,
      updated_at: nowSeconds,
    });
  });
  if (others.length > 0) await refuseConflicts(wanted, others, selectTags);
  return [...others, ...merged];
}

async function partedBy(vaults: readonly VaultEntity[], selectTags: readonly string[]) {
  const inScope: VaultEntity[] = [];
  const others: VaultEntity[] = [];
  await mapInTurns(vaults, (vault) => (hasTags(vault, selectTags) ? inScope : others).push(vault));
  return { inScope, others };
}

/** @throws ScopeConflict for each vault whose prefix or id one outside of the scope has */
async function refuseConflicts(
  wanted: readonly VaultInput[],
  others: readonly VaultEntity[],
  selectTags: readonly string[],
): Promise<void> {
  const ids = new Map(others.map((vault) => [vault.id, vault]));
  const prefixes = new Map(others.map((vault) => [vault.prefix, vault]));
  await checkEach(wanted, ScopeConflict, ({ id, prefix }) => {
    const other = (id !== undefined ? ids.get(id) : undefined) ?? prefixes.get(prefix);
    if (!other) return;
    const field = other.id === id ? 'id' : 'prefix';
    const missing = selectTags.filter((tag) => !hasTags(other, [tag])).map((tag) => JSON.stringify(tag));
    throw new SchemaViolation({
      [field]: `conflict with the vault ${other.prefix}, which is outside of select_tags (it lacks ${missing.join(', ')}): choose another ${field}, or give that vault the tags`,
    });
  });
}

/** Checks vaults one by one. @throws an error of the type with everything that was wrong */
async function checkEach(
  wanted: readonly VaultInput[],
  Failure: typeof InvalidDocument,
  check: (input: VaultInput) => void,
): Promise<void> {
  const lines: string[] = [];
  const errors: unknown[] = wanted.map(() => null);
  const work = new LongWork();
  for (const [index, input] of wanted.entries()) {
    if (work.isTurnDue) await work.giveTurn();
    try {
      check(input);
    } catch (error) {
      if (!(error instanceof SchemaViolation)) throw error;
      errors[index] = error.fields;
      lines.push(`vaults.${index + 1}: ${error.message}`);
      if (lines.length < MAX_ERRORS) continue;
      lines.push(STOPPED);
      break;
    }
  }
  if (lines.length > 0) throw new Failure(lines, { vaults: errors } as unknown as InvalidDocument['fields']);
}
