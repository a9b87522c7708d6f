import { VaultplaneError } from './errors.ts';

/** A reference longer than this many bytes of UTF-8 is refused. */
export const MAX_REFERENCE_BYTES = 2048;

/** An entity's prefix, and so the VAULT of a reference. Source: Kong's schema of vault entities, CONTRACT.md §5. */
export const VAULT_PREFIX = /^[a-z][a-z0-9-]*[a-z0-9]$/;

/** What a reference may say behind its `?`. Anything else, above all what could send credentials elsewhere, is refused. */
export const REFERENCE_OPTIONS = [
  'region',
  'ttl',
  'neg_ttl',
  'resurrect_ttl',
  'prefix',
  'version_stage',
  'version_id',
  'json_pointer',
] as const;
export type ReferenceOption = (typeof REFERENCE_OPTIONS)[number];

/** Options that are lifetimes: seconds, 0 to 1e8, fractions allowed. Source: Kong's vault schemas. */
const LIFETIMES: readonly string[] = ['ttl', 'neg_ttl', 'resurrect_ttl'];
export const LONGEST_LIFETIME_SECONDS = 100_000_000;

/** One reading of `{vault://VAULT/PATH[/KEY][?OPTIONS][#VERSION]}`, everything percent-decoded once (CONTRACT.md §3). */
export interface Reference {
  vault: string;
  /** The secret's name. */
  path: string;
  /** A member of the secret's JSON object; absent: the whole secret. */
  key?: string;
  /** What a version means is the vault type's to say. From 1. */
  version?: number;
  options?: Partial<Record<ReferenceOption, string>>;
}

const OPENING = '{vault://';
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Whether a text says of itself that it is a reference; it may still be an invalid one. */
export function looksLikeReference(text: string): boolean {
  return text.startsWith(OPENING) && text.endsWith('}');
}

/**
 * Reads a reference. Binding: shared/vectors/references.json.
 *
 * @throws VaultplaneError not_a_reference, invalid_reference or invalid_option; nothing else, whatever the input.
 */
export function parseReference(text: unknown): Reference {
  if (typeof text !== 'string' || !looksLikeReference(text)) {
    throw new VaultplaneError('not_a_reference', 'a reference has the form {vault://VAULT/PATH/KEY}');
  }
  if (text.length > MAX_REFERENCE_BYTES || Buffer.byteLength(text) > MAX_REFERENCE_BYTES) {
    throw invalid(`is longer than ${MAX_REFERENCE_BYTES} bytes`);
  }
  const inner = text.slice(OPENING.length, -1);
  if (/[{}]/.test(inner)) throw invalid('has a brace inside; write it as %7B or %7D');

  const [beforeVersion, version] = splitOnce(inner, '#');
  const [location, query] = splitOnce(beforeVersion, '?');
  const [vault, rest] = splitOnce(location, '/');
  if (!VAULT_PREFIX.test(vault)) throw invalid(`names no vault: VAULT must match ${VAULT_PREFIX.source}`);

  const segments = (rest ?? '')
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => decode(segment));
  if (segments.length === 0) throw invalid('names no secret');

  const reference: Reference = { vault, path: '' };
  const options = query === undefined ? undefined : parseOptions(query);
  const wholeSecret = segments.length === 1 || rest?.endsWith('/') || options?.json_pointer !== undefined;
  if (!wholeSecret) reference.key = segments.pop()!;
  reference.path = segments.join('/');
  if (options && Object.keys(options).length > 0) reference.options = options;
  if (version !== undefined) reference.version = parseVersion(version);
  if (reference.version !== undefined && (options?.version_id !== undefined || options?.version_stage !== undefined)) {
    throw new VaultplaneError('invalid_option', 'a reference names its version by # or by an option, not by both');
  }
  return reference;
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

/** The reference's text; parseReference gives the same reference back. */
export function printReference(reference: Reference): string {
  // A slash between two non-empty segments stands as it is; any other would be dropped and is written as %2F.
  const path = encode(reference.path).replace(/(?<!^|%2F)%2F(?!$|%2F)/g, '/');
  let text = `${OPENING}${reference.vault}/${path}`;
  if (reference.key !== undefined) text += `/${encode(reference.key)}`;
  else if (path.includes('/')) text += '/';
  const options = Object.entries(reference.options ?? {});
  if (options.length > 0) text += `?${options.map(([name, value]) => `${name}=${encode(value)}`).join('&')}`;
  if (reference.version !== undefined) text += `#${reference.version}`;
  return `${text}}`;
}

function parseOptions(query: string): Partial<Record<ReferenceOption, string>> {
  const options: Partial<Record<ReferenceOption, string>> = {};
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [rawName, rawValue] = splitOnce(part, '=');
    const name = decode(rawName) as ReferenceOption;
    if (!REFERENCE_OPTIONS.includes(name)) {
      throw new VaultplaneError(
        'invalid_option',
        `a reference can't set ${JSON.stringify(name)}; it may set ${REFERENCE_OPTIONS.join(', ')}`,
      );
    }
    if (options[name] !== undefined) throw new VaultplaneError('invalid_option', `option ${name} is given twice`);
    options[name] = checkOption(name, decode(rawValue ?? ''));
  }
  return options;
}

function checkOption(name: ReferenceOption, value: string): string {
  if (LIFETIMES.includes(name)) {
    const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
    if (!(seconds <= LONGEST_LIFETIME_SECONDS)) {
      throw new VaultplaneError(
        'invalid_option',
        `option ${name} must be seconds from 0 to ${LONGEST_LIFETIME_SECONDS}`,
      );
    }
  } else if (name === 'json_pointer') {
    // RFC 6901: empty, or every token begins with a slash; ~ only as ~0 and ~1.
    if (!/^(\/([^~/]|~[01])*)*$/.test(value)) {
      throw new VaultplaneError('invalid_option', 'option json_pointer must be an RFC 6901 pointer such as /a/b');
    }
  } else if (value === '' && name !== 'prefix') {
    throw new VaultplaneError('invalid_option', `option ${name} is empty`);
  } else if (name === 'region' && !/^[a-z]{2,}(-[a-z0-9]+)+$/.test(value)) {
    // The region becomes part of a host name: nothing but a region's own form may get there.
    throw new VaultplaneError('invalid_option', 'option region must be a region such as eu-central-1');
  }
  return value;
}

function parseVersion(text: string): number {
  const version = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(version)) throw invalid('has a version that is no whole number from 1');
  return version;
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw invalid('has a broken percent-escape');
  }
  if (CONTROL_CHARACTER.test(decoded)) throw invalid('has a control character');
  if (!decoded.isWellFormed()) throw invalid('has half of a surrogate pair');
  return decoded;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/%3A|%40|%3D|%2B|%2C/g, decodeURIComponent);
}

/** The text before the first `separator`, and that behind it (undefined where there is no separator). */
function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function invalid(what: string): VaultplaneError {
  return new VaultplaneError('invalid_reference', `the reference ${what}`);
}
