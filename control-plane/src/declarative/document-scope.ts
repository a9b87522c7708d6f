import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import type { FieldError } from '@vaultplane/model/vaults/schema-violation.ts';
import { checkTags } from '@vaultplane/model/vaults/validation.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';

/** The only workspace that there is. */
export const DEFAULT_WORKSPACE = 'default';

/** Members of `_info` about entities that this project does not have. Source: decK's file format. */
const INFO_OF_OTHERS = ['default_lookup_tags', 'consumer_group_policy_overrides'];
/** Members about the document, or about entities that this project does not have. Source: Kong's and decK's formats. */
const ABOUT = ['_transform', '_comment', '_ignore'];
const NOT_USED = ['_konnect', '_plugin_configs'];

/** Source: decK, and what Kong's filters of tags take. */
const MAX_SELECT_TAGS = 5;

/** What a document says of itself. */
export interface DocumentScope {
  /** The document is about the vaults that have all of these tags; empty: about all vaults. */
  selectTags: readonly string[];
  /** Members that were read and mean nothing here, such as `_plugin_configs`. */
  unused: readonly string[];
}

/**
 * Reads the members of a document that begin with an underscore, but for `_format_version`.
 *
 * @param wrong told of each that can't be used; a member that is neither known nor empty is for the caller to refuse
 */
export function readScope(
  document: Readonly<Record<string, unknown>>,
  wrong: (member: string, error: FieldError) => void,
): DocumentScope {
  const unused = NOT_USED.filter((name) => (document[name] ?? null) !== null);
  for (const name of unused) if (!isRecord(document[name])) wrong(name, 'expected a record');
  // Whether credentials of consumers are still to be hashed: there are none here.
  if (typeof (document._transform ?? true) !== 'boolean') wrong('_transform', 'expected a boolean');
  readWorkspace(document._workspace ?? DEFAULT_WORKSPACE, wrong);
  const info = document._info ?? {};
  if (!isRecord(info)) {
    wrong('_info', 'expected a record');
    return { selectTags: [], unused };
  }
  const errors: Record<string, FieldError> = {};
  const selectTags = readSelectTags(info.select_tags ?? [], errors);
  for (const [name, value] of Object.entries(info)) {
    if (name === 'select_tags' || (value ?? null) === null) continue;
    if (name === 'defaults') unused.push(...readDefaults(value, errors));
    else if (INFO_OF_OTHERS.includes(name)) unused.push(`_info.${name}`);
    // It may be a scope of a later decK: to take the file for the whole configuration would delete what others own.
    else errors[name] = 'unknown field';
  }
  if (Object.keys(errors).length > 0) wrong('_info', errors);
  return { selectTags, unused };
}

/** Whether a member says something of the document, and not what is to be made. */
export function isAboutDocument(name: string): boolean {
  return [...ABOUT, ...NOT_USED, '_format_version', '_info', '_workspace'].includes(name);
}

/** Whether a vault has all of some tags. */
export function hasTags({ tags }: Pick<VaultEntity, 'tags'>, selectTags: readonly string[]): boolean {
  return selectTags.every((tag) => tags?.includes(tag));
}

/** A vault's tags and those of the scope that it is made in; its own first. */
export function withTags(tags: readonly string[] | null, selectTags: readonly string[]): string[] | null {
  return selectTags.length === 0 ? (tags as string[] | null) : [...new Set([...(tags ?? []), ...selectTags])];
}

function readWorkspace(workspace: unknown, wrong: (member: string, error: FieldError) => void): void {
  if (typeof workspace !== 'string') wrong('_workspace', 'expected a string');
  else if (workspace !== DEFAULT_WORKSPACE && workspace !== '') {
    wrong('_workspace', `there is no workspace ${shownName(workspace)}: the only one is ${DEFAULT_WORKSPACE}`);
  }
}

function readSelectTags(value: unknown, errors: Record<string, FieldError>): string[] {
  const checked = checkTags(value);
  if ('error' in checked) errors.select_tags = checked.error;
  else if (checked.value.length > MAX_SELECT_TAGS) errors.select_tags = `length must be at most ${MAX_SELECT_TAGS}`;
  else return checked.value;
  return [];
}

/** Defaults of services and such say nothing of vaults; those of vaults would have to be kept. */
function readDefaults(value: unknown, errors: Record<string, FieldError>): string[] {
  if (!isRecord(value)) errors.defaults = 'expected a record';
  else {
    const ofVaults = Object.keys(value).filter((name) => /^vaults?$/.test(name));
    if (ofVaults.length === 0) return ['_info.defaults'];
    const error = 'defaults of vaults are not supported: write them into each vault';
    errors.defaults = Object.fromEntries(ofVaults.map((name) => [name, error]));
  }
  return [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
