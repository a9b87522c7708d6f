import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/model/vaults/schema-violation.ts';
import { masked, unmasked } from '@vaultplane/model/vaults/sensitive.ts';
import { checkVault, prefixError, UUID } from '@vaultplane/model/vaults/validation.ts';
import { type ConfigEdit, VaultConflict } from '../store/config-edit.ts';
import type { VaultKey } from '../store/known-vaults.ts';
import { invalidUnique, notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';

/** A vault by what stands in a path: its id, or its prefix. */
export function keyOf(idOrPrefix: string): VaultKey {
  return UUID.test(idOrPrefix) ? { id: idOrPrefix.toLowerCase() } : { prefix: idOrPrefix };
}

/** What an edit of the vault of a path will look for, where it can be there at all. */
export function expectedFor(idOrPrefix: string): VaultKey[] {
  const key = keyOf(idOrPrefix);
  return 'prefix' in key && prefixError(key.prefix) !== undefined ? [] : [key];
}

/** POST: makes a vault. @throws SchemaViolation, VaultConflict, KongError */
export async function createVault(edit: ConfigEdit, body: unknown): Promise<VaultEntity> {
  const { id = edit.newId(), created_at = edit.nowSeconds, ...input } = unmasked(checkVault(entityOf(body)), undefined);
  if (await edit.find({ id })) throw new VaultConflict('id', id);
  return edit.put({ id, ...input, created_at, updated_at: edit.nowSeconds });
}

/**
 * PUT: makes the vault of this id or prefix, or replaces it: what the body leaves out is gone, but for its id, its
 * prefix and when it was made. What the path says goes before what the body says, as in Kong.
 *
 * @throws SchemaViolation, VaultConflict, KongError
 */
export async function putVault(edit: ConfigEdit, idOrPrefix: string, body: unknown): Promise<VaultEntity> {
  const key = keyOf(idOrPrefix);
  if ('prefix' in key) {
    const error = prefixError(key.prefix);
    if (error !== undefined) throw invalidUnique('prefix', error);
  }
  const current = await edit.find(key);
  const given = entityOf(body, current?.name);
  // By its id, a vault that is there keeps its prefix where the body has none.
  const kept = 'id' in key && current && given.prefix === undefined ? { prefix: current.prefix } : {};
  const input = unmasked(checkVault({ ...given, ...kept, ...key }), current);
  const id = current?.id ?? input.id ?? edit.newId();
  if (current && input.id !== undefined && input.id !== current.id) throw immutableId();
  if (!current && input.id !== undefined && (await edit.find({ id }))) throw new VaultConflict('id', id);
  return edit.put({
    ...input,
    id,
    created_at: input.created_at ?? current?.created_at ?? edit.nowSeconds,
    updated_at: edit.nowSeconds,
  });
}

/**
 * PATCH: what the body has replaces what was there; the members of config one by one, and null takes one away. A
 * credential that it leaves out stays only with the destination that it was given for.
 *
 * @throws SchemaViolation, VaultConflict, KongError
 */
export async function patchVault(edit: ConfigEdit, idOrPrefix: string, body: unknown): Promise<VaultEntity> {
  const current = await edit.find(keyOf(idOrPrefix));
  if (!current) throw notFound();
  const given = entityOf(body, current.name);
  const merged: Record<string, unknown> = { ...current, ...given };
  // Masked, a credential that the body leaves out is held to the same rules as one that it gives back as it was shown.
  if (isRecord(given.config)) merged.config = { ...masked(current).config, ...given.config };
  else if (given.config === undefined) merged.config = masked(current).config;
  const input = unmasked(checkVault(merged), current);
  if (input.id !== undefined && input.id !== current.id) throw immutableId();
  return edit.put({
    ...input,
    id: current.id,
    created_at: input.created_at ?? current.created_at,
    updated_at: edit.nowSeconds,
  });
}

function immutableId(): SchemaViolation {
  return new SchemaViolation({ id: 'immutable field cannot be updated' });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
