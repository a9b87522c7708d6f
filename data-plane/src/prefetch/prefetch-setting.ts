import type { SecretTag } from '@vaultplane/backends/backend.ts';
import { parseReference } from '@vaultplane/model/references/reference.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { shownReference, shownValue } from '@vaultplane/platform/text/shown-text.ts';

/** One item of `prefetch`: a reference, or all secrets of a vault that carry a tag (specification.md §2). */
export type PrefetchItem = { reference: string } | { tag: SecretTag; vault: string };

const FORM = 'each must be a reference, tag:KEY or tag:KEY=VALUE, the last two with or without @PREFIX';
/** VALUE may have an @ in it: only what can be a vault's prefix is one. `…@aws` says the default, where that matters. */
const TAG = /^tag:([^=@]+|[^=]+?)(?:=(.*?))?(?:@([a-z][a-z0-9-]*[a-z0-9]))?$/;
/** Of a tag alone. */
const DEFAULT_VAULT = [...VAULT_TYPES.values()].find(({ hasTags }) => hasTags)!.name;

/** @throws StartError that says which item is wrong and how */
export function parsePrefetch(list: readonly string[]): PrefetchItem[] {
  return joinReferences(list).map((item) => {
    if (item.startsWith('{')) {
      try {
        parseReference(item);
      } catch (error) {
        throw new StartError(`prefetch: ${shownReference(item)} is not allowed: ${errorMessage(error)}`);
      }
      return { reference: item };
    }
    const [whole, key = '', value, vault = DEFAULT_VAULT] = TAG.exec(item) ?? [];
    if (whole === undefined || key.length > 128 || (value?.length ?? 0) > 256) {
      throw new StartError(`prefetch: ${shownValue(item)} is not allowed; ${FORM}`);
    }
    return { tag: { key, ...(value !== undefined && { value }) }, vault };
  });
}

/** The list's commas also stand in references, whose paths may have some. */
function joinReferences(list: readonly string[]): string[] {
  const items: string[] = [];
  for (const part of list) {
    const last = items.at(-1);
    if (last?.startsWith('{') && !last.endsWith('}')) items[items.length - 1] = `${last},${part}`;
    else items.push(part);
  }
  return items;
}
