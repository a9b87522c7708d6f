import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { optionField, optionValue } from '../vaults/field-value.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import {
  looksLikeReference,
  REFERENCE_OPENING,
  type Reference,
  type ReferenceOptions,
  VAULT_PREFIX,
} from './reference-text.ts';

export * from './reference-text.ts';

/** A reference longer than this many bytes of UTF-8 is refused. */
export const MAX_REFERENCE_BYTES = 2048;

const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Reads a reference. Binding: test/vectors/references.json.
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
  const inner = text.slice(REFERENCE_OPENING.length, -1);
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

/** What a reference to a vault of any type may say behind its `?`: this, and what the vault types allow. */
const OF_EVERY_TYPE = ['json_pointer'];

/** Every option that a reference to a vault of some type may have. */
export function referenceOptions(): string[] {
  const ofTypes = [...VAULT_TYPES.values()].flatMap(({ referenceOptions }) => referenceOptions);
  return [...new Set([...ofTypes, ...OF_EVERY_TYPE])];
}

function parseOptions(query: string): ReferenceOptions {
  const options: ReferenceOptions = {};
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [rawName, rawValue] = splitOnce(part, '=');
    const name = decode(rawName);
    const known = referenceOptions();
    if (!known.includes(name)) {
      throw new VaultplaneError(
        'invalid_option',
        `a reference can't set "${shownName(name)}"${nearest(name, known) || `; it may set ${known.join(', ')}`}`,
      );
    }
    if (options[name] !== undefined) throw new VaultplaneError('invalid_option', `option ${name} is given twice`);
    options[name] = checkOption(name, decode(rawValue ?? ''));
  }
  return options;
}

/** Which type's vault is meant, the directory knows (`addressOf` asks it): here a value must be right for one of them. */
function checkOption(name: string, value: string): string {
  if (name === 'json_pointer') {
    // RFC 6901: empty, or every token begins with a slash; ~ only as ~0 and ~1.
    if (!/^(\/([^~/]|~[01])*)*$/.test(value)) {
      throw new VaultplaneError('invalid_option', 'option json_pointer must be an RFC 6901 pointer such as /a/b');
    }
    return value;
  }
  const fields = [...VAULT_TYPES.values()].flatMap((type) => optionField(type, name) ?? []);
  const refusals: VaultplaneError[] = [];
  for (const field of fields) {
    const read = optionValue(field, value);
    if (!(read instanceof VaultplaneError)) return value;
    refusals.push(read);
  }
  if (refusals.length > 0) throw refusals[0]!;
  if (value === '') throw new VaultplaneError('invalid_option', `option ${name} is empty`);
  return value;
}
function parseVersion(text: string): number {
  const version = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(version)) throw invalid('has a version that is no whole number from 1');
  return version;
}

function decode(text: string): string {
  let decoded = text;
  try {
    if (text.includes('%')) decoded = decodeURIComponent(text);
  } catch {
    throw invalid('has a broken percent-escape');
  }
  if (CONTROL_CHARACTER.test(decoded)) throw invalid('has a control character');
  if (!decoded.isWellFormed()) throw invalid('has half of a surrogate pair');
  return decoded;
}

/** The text before the first `separator`, and that behind it (undefined where there is no separator). */
function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function invalid(what: string): VaultplaneError {
  return new VaultplaneError('invalid_reference', `the reference ${what}`);
}
