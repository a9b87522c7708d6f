import type { VaultConfig, VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import {
  type FieldError,
  type FieldErrors,
  flattenErrors,
  SchemaViolation,
} from '@vaultplane/model/vaults/schema-violation.ts';
import { masked } from '@vaultplane/model/vaults/sensitive.ts';
import { checkVault, MAX_TAGS, type VaultInput } from '@vaultplane/model/vaults/validation.ts';
import { nearestName } from '@vaultplane/platform/settings/nearest.ts';
import { LongWork, mapInTurns } from '@vaultplane/platform/time/next-turn.ts';
import { stringify } from 'yaml';
import { type DocumentScope, hasTags, isAboutDocument, readScope, withTags } from './document-scope.ts';

/** Forms of a declarative configuration that are understood; the first is written. */
const FORMAT_VERSIONS = ['3.0', '2.1', '1.1'];
/** Vaults of one configuration. */
export const MAX_VAULTS = 10_000;
/** What is wrong with a document is told up to so many lines. */
export const MAX_ERRORS = 100;
export const STOPPED = `checking stopped after ${MAX_ERRORS} errors`;

/** The configuration, or a part of it, as a document as Kong and decK write theirs: what was not set is left out. */
export interface ConfigDocument {
  _format_version: string;
  /** Absent: all of it. */
  _info?: { select_tags: string[] };
  vaults: DocumentVault[];
}

/** What a document asks for. */
export interface ReadDocument extends DocumentScope {
  /** With the tags of its scope. */
  vaults: VaultInput[];
}

export interface DocumentVault {
  id?: string;
  prefix: string;
  name: string;
  description?: string;
  config?: VaultConfig;
  tags?: string[];
}

/** A document that can't be applied; every error in it, in one line each. */
export class InvalidDocument extends Error {
  override readonly name: string = 'InvalidDocument';
  readonly lines: readonly string[];
  readonly fields: FieldErrors;

  constructor(lines: readonly string[], fields: FieldErrors) {
    super(lines.join('; '));
    this.lines = lines;
    this.fields = fields;
  }
}

/** What is sensitive is masked, and a mask that is read back stands for what is there. */
export async function documentOf(vaults: readonly VaultEntity[]): Promise<ConfigDocument> {
  const sorted = [...vaults].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  return { _format_version: FORMAT_VERSIONS[0]!, vaults: await mapInTurns(sorted, documentVault) };
}

function documentVault(vault: VaultEntity): DocumentVault {
  const { id, prefix, name, description, config, tags } = masked(vault);
  return {
    id,
    prefix,
    name,
    ...(description !== null && { description }),
    ...(Object.keys(config).length > 0 && { config }),
    ...(tags !== null && { tags }),
  };
}

/** The part of a document that has all of some tags, as decK dumps it: the tags stand once, in front. */
export function scopedDocument(document: ConfigDocument, selectTags: readonly string[]): ConfigDocument {
  if (selectTags.length === 0) return document;
  const { vaults, ...rest } = document;
  return {
    ...rest,
    _info: { select_tags: [...selectTags] },
    vaults: vaults
      .filter(({ tags = null }) => hasTags({ tags }, selectTags))
      .map(({ tags = [], ...vault }) => {
        const own = tags.filter((tag) => !selectTags.includes(tag));
        return own.length > 0 ? { ...vault, tags: own } : vault;
      }),
  };
}

/** As one call of the YAML library would print it, which takes half a second for ten thousand vaults. */
export async function printYaml({ vaults, ...rest }: ConfigDocument): Promise<string> {
  const print = (part: Partial<ConfigDocument>) => stringify(part, { lineWidth: 0 });
  if (vaults.length === 0) return print({ ...rest, vaults });
  const head = 'vaults:\n';
  const items = await mapInTurns(vaults, (vault) => print({ vaults: [vault] }).slice(head.length));
  return print(rest) + head + items.join('');
}

/** What a document describes. @throws InvalidDocument with all that is wrong */
export async function readDocument(document: unknown): Promise<ReadDocument> {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new InvalidDocument(['expected an object'], {});
  }
  const lines: string[] = [];
  const fields: Record<string, unknown> = {};
  const wrong = (name: string, error: FieldError) => {
    lines.push(...flattenErrors(error, name));
    Object.defineProperty(fields, name, { value: error, enumerable: true });
  };

  const { vaults = [], ...rest } = document as Record<string, unknown>;
  const format = rest._format_version;
  if (format === undefined) wrong('_format_version', 'required field missing');
  else if (!FORMAT_VERSIONS.includes(String(format)) && Number(format) !== Number(FORMAT_VERSIONS[0])) {
    wrong('_format_version', `expected one of: ${FORMAT_VERSIONS.join(', ')}`);
  }
  const scope = readScope(rest, wrong);
  for (const [name, value] of Object.entries(rest)) {
    const empty = value === null || (Array.isArray(value) && value.length === 0);
    // An empty list that was to be the vaults' would otherwise be no vaults at all, and delete those that there are.
    const isMisspelt = nearestName(name, ['vaults']) !== undefined;
    if (!isAboutDocument(name) && (!empty || isMisspelt) && lines.length < MAX_ERRORS) wrong(name, 'unknown field');
  }
  if (vaults !== null && !Array.isArray(vaults)) wrong('vaults', 'expected an array');
  else if (vaults !== null && vaults.length > MAX_VAULTS) wrong('vaults', `length must be at most ${MAX_VAULTS}`);

  const areFew = Array.isArray(vaults) && vaults.length <= MAX_VAULTS;
  const inputs = areFew ? await readVaults(vaults, scope, lines, fields) : [];
  if (lines.length > 0) throw new InvalidDocument(lines, fields as FieldErrors);
  return { ...scope, vaults: inputs };
}

async function readVaults(
  vaults: unknown[],
  { selectTags }: DocumentScope,
  lines: string[],
  fields: Record<string, unknown>,
): Promise<VaultInput[]> {
  const inputs: VaultInput[] = [];
  const errors: unknown[] = vaults.map(() => null);
  const seen = new Map<string, number>();
  const work = new LongWork();
  for (const [index, vault] of vaults.entries()) {
    if (work.isTurnDue) await work.giveTurn();
    try {
      if (typeof vault !== 'object' || vault === null || Array.isArray(vault)) {
        throw new SchemaViolation({ '@entity': 'expected a record' });
      }
      // Members of every entity that say nothing of it. Source: Kong's declarative format.
      const { _comment, _ignore, ...entity } = vault as Record<string, unknown>;
      const checked = checkVault(entity);
      const input = { ...checked, tags: withTags(checked.tags, selectTags) };
      if ((input.tags?.length ?? 0) > MAX_TAGS)
        throw new SchemaViolation({ tags: `length must be at most ${MAX_TAGS}` });
      for (const key of ['id', 'prefix'] as const) {
        const name = `${key} ${input[key]}`;
        const first = seen.get(name);
        if (input[key] === undefined) continue;
        if (first !== undefined) throw new SchemaViolation({ [key]: `vault ${first + 1} has the same` });
        seen.set(name, index);
      }
      inputs.push(input);
    } catch (error) {
      if (!(error instanceof SchemaViolation)) throw error;
      errors[index] = error.fields;
      lines.push(`vaults.${index + 1}: ${error.message}`);
      if (lines.length < MAX_ERRORS) continue;
      lines.push(STOPPED);
      break;
    }
  }
  if (errors.some((error) => error !== null)) fields.vaults = errors;
  return inputs;
}
