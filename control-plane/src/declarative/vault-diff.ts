import { canonicalJson } from '@vaultplane/model/snapshots/canonical.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { masked } from '@vaultplane/model/vaults/sensitive.ts';

/** What a change does to one vault, for people: sensitive values masked, and no ids or times where nobody set them. */
export interface VaultDiff {
  change: 'create' | 'update' | 'delete';
  /** As it is after the change, or was before it was deleted. */
  prefix: string;
  id: string;
  /** In order of their names; members of config as `config.NAME`. */
  fields: FieldDiff[];
}

export interface FieldDiff {
  field: string;
  /** Null: not set. */
  before: unknown;
  after: unknown;
}

/** @param before null: not there; so too `after` */
export function diffVault(before: VaultEntity | null, after: VaultEntity | null): VaultDiff {
  const { id, prefix } = (after ?? before)!;
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  // Compared as they are, shown masked: that a sensitive value changes is to be seen, though not to what.
  const [shownOld, shownNow] = [fieldsOf(before && masked(before)), fieldsOf(after && masked(after))];
  if (before && after && before.created_at !== after.created_at) {
    for (const [fields, { created_at }] of [
      [old, before],
      [now, after],
      [shownOld, before],
      [shownNow, after],
    ] as const) {
      fields.set('created_at', created_at);
    }
  }
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return {
    change: before === null ? 'create' : after === null ? 'delete' : 'update',
    prefix,
    id,
    fields: names
      .filter((name) => canonicalJson(old.get(name) ?? null) !== canonicalJson(now.get(name) ?? null))
      .map((field) => ({ field, before: shownOld.get(field) ?? null, after: shownNow.get(field) ?? null })),
  };
}

/** As unified diffs look: + what comes, - what goes, ~ a vault that is changed. */
export function printDiff(diffs: readonly VaultDiff[]): string[] {
  if (diffs.length === 0) return ['no change'];
  const sign = { create: '+', update: '~', delete: '-' };
  const lines = diffs.flatMap(({ change, prefix, fields }) => [
    `${sign[change]} vault ${prefix}`,
    ...fields.flatMap(({ field, before, after }) => [
      ...(before === null ? [] : [`-   ${field}: ${JSON.stringify(before)}`]),
      ...(after === null ? [] : [`+   ${field}: ${JSON.stringify(after)}`]),
    ]),
  ]);
  const count = (wanted: VaultDiff['change']) => diffs.filter(({ change }) => change === wanted).length;
  return [...lines, `${count('create')} to create, ${count('update')} to update, ${count('delete')} to delete`];
}

function fieldsOf(vault: VaultEntity | null): Map<string, unknown> {
  if (!vault) return new Map();
  const { prefix, name, description, tags, config } = vault;
  return new Map<string, unknown>([
    ...Object.entries({ prefix, name, description, tags }),
    ...Object.entries(config).map(([member, value]): [string, unknown] => [`config.${member}`, value]),
  ]);
}
