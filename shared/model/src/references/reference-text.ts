/** An entity's prefix, and so the VAULT of a reference. Source: Kong's schema of vault entities, specification.md §5. */
export const VAULT_PREFIX = /^[a-z][a-z0-9-]*[a-z0-9]$/;

/** What a reference says behind its `?`, by name. */
export type ReferenceOptions = { [name: string]: string | undefined };

/** One reading of `{vault://VAULT/PATH[/KEY][?OPTIONS][#VERSION]}`, everything percent-decoded once (specification.md §3). */
export interface Reference {
  vault: string;
  /** The secret's name. */
  path: string;
  /** A member of the secret's JSON object; absent: the whole secret. */
  key?: string;
  /** What a version means is the vault type's to say. From 1. */
  version?: number;
  options?: ReferenceOptions;
}

export const REFERENCE_OPENING = '{vault://';

/** Whether a text says of itself that it is a reference; it may still be an invalid one. */
export function looksLikeReference(text: string): boolean {
  return text.startsWith(REFERENCE_OPENING) && text.endsWith('}');
}

/**
 * The reading to try when the first one's secret does not exist: the whole path as a secret's name, without a key.
 * Undefined where there is only one reading.
 */
export function secondReading(reference: Reference): Reference | undefined {
  if (reference.key === undefined) return undefined;
  const { key, ...rest } = reference;
  return { ...rest, path: `${reference.path}/${key}` };
}

/**
 * Whether a reference's path has an encoded slash, as names that begin with a slash are written: `%2Fsecret/key` may be the
 * key of `/secret`, or all of the name `/secret/key`. Then its second reading is also tried where the first one's secret
 * has no such key, or is no JSON object.
 *
 * @param text of a valid reference
 */
export function hasEncodedSlash(text: string): boolean {
  return /%2f/i.test(text.split(/[?#]/, 1)[0]!);
}

/** The codes with which a secret has no such key. */
const WITHOUT_KEY: readonly string[] = ['key_not_found', 'not_json'];

/** Whether the next reading of a reference is tried after one whose secret is there. @param code of what is wrong with it */
export function triesNextReading(text: string, code: string): boolean {
  return WITHOUT_KEY.includes(code) && hasEncodedSlash(text);
}

/** The reference's text; parseReference gives the same reference back. */
export function printReference(reference: Reference): string {
  const path = encodePath(reference.path);
  let text = `${REFERENCE_OPENING}${reference.vault}/${path}`;
  if (reference.key !== undefined) text += `/${encode(reference.key)}`;
  else if (path.includes('/')) text += '/';
  const options = Object.entries(reference.options ?? {}).filter(([, value]) => value !== undefined);
  if (options.length > 0) text += `?${options.map(([name, value]) => `${name}=${encode(value!)}`).join('&')}`;
  if (reference.version !== undefined) text += `#${reference.version}`;
  return `${text}}`;
}

/** Most names are such, and stand as they are. */
const PLAIN = /^[\w.!~*'():@=+,-]*$/;
const PLAIN_PATH = /^[\w.!~*'():@=+,-]+(?:\/[\w.!~*'():@=+,-]+)*$/;

function encodePath(path: string): string {
  if (PLAIN_PATH.test(path)) return path;
  // A slash between two non-empty segments stands as it is; any other would be dropped and is written as %2F.
  return encode(path).replace(/(?<!^|%2F)%2F(?!$|%2F)/g, '/');
}

function encode(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text).replace(/%3A|%40|%3D|%2B|%2C/g, decodeURIComponent);
}

/** The VAULT of what looks like a reference, right or not. */
export function vaultOf(text: string): string {
  return text.slice(REFERENCE_OPENING.length).split(/[/?#}]/, 1)[0]!;
}
