import { isIP } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { FileKindError } from '../files/file-kind.ts';
import { opaqueCharacters } from './opaque-text.ts';

/** What stands in an error for a text that may be a secret. */
export const NOT_SHOWN = '(not shown)';

/** Linux's PATH_MAX, with the NUL at its end. */
const PATH_MAX = 4096;
/** What `mkdtemp` and such put behind a name, twice. */
const MAX_OPAQUE = 12;
const MAX_OPAQUE_OF_NAME = 8;
/** In a host's name below a domain, or in the name of a role: clouds make those up. */
const MAX_OPAQUE_OF_CLOUD = 64;
const MAX_NAME = 256;
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const UUID_SEGMENT = new RegExp(`(?<=/)${UUID}(?=/)`, 'gi');
/** An AppRole's secret_id, and many a token. */
const LONE_UUID = new RegExp(`^${UUID}$`, 'i');
/** A bare name is taken for a file's only with one of these behind it: a token may be one word with a dot in it. */
const FILE_NAME =
  /\.(?:pem|crt|cer|cert|key|pub|der|p12|pfx|csr|json|ya?ml|toml|ini|conf|cfg|env|txt|token|jwt|secret|hex|b64|bin|sock|socket|tmpl|hbs|cache|snapshot|log)$/i;

const hidden = new Set<string>();

/** A text that no error shows from now on, whatever it looks like, such as the value of a setting that is a reference. */
export function neverShow(text: string): void {
  // Some settings are used without the slashes around them.
  for (const form of [text, text.replace(/^\/+|\/+$/g, '')]) if (form !== '') hidden.add(form);
}

/**
 * How an error names a file. A setting that takes a path may have been given what the file should hold (Kong takes both
 * for certificates), so only what looks like a path is shown: no line breaks, no PEM or JSON, no key or token in one line.
 */
export function shownPath(path: string): string {
  return isHidden(path) || !isPath(path) ? NOT_SHOWN : path;
}

/** How an error names what people give names to: a host, a region, a role, a database. Keys and tokens are not shown. */
export function shownName(text: string): string {
  return isHidden(text) || !isName(text) ? NOT_SHOWN : text;
}

/** How an error names a URL: without user, password, query and fragment. */
export function shownUrl(text: string): string {
  const url = isHidden(text) ? null : URL.parse(text);
  if (!url || !/^[a-z][a-z0-9+]{1,7}:$/.test(url.protocol)) return NOT_SHOWN;
  const { pathname } = url;
  const path = pathname === '/' || isHidden(pathname) ? '' : pathname;
  return `${originOf(url, text)}${path === '' || isName(path) ? path : `/${NOT_SHOWN}`}`;
}

/** How an error names the server of a URL. `text` is the URL as it was given: see `originOf`. */
export function shownOrigin(text: string): string {
  const url = isHidden(text) ? null : URL.parse(text);
  return url && /^https?:$/.test(url.protocol) ? originOf(url, text) : NOT_SHOWN;
}

/** URLs have their host in lower case, and a key or token in lower case may look like a word: the text as given decides. */
function originOf({ protocol, hostname, port }: URL, text: string): string {
  const [, given = hostname] = /^[^:]*:[/\\]*(?:[^/\\?#]*@)?([^/\\?#@:[\]]+)/.exec(text.trim()) ?? [];
  const host = isHidden(given) || !isName(given) ? NOT_SHOWN : shownName(hostname);
  return `${protocol}//${host}${port && `:${port}`}`;
}

/** How an error quotes what should be a reference: whoever wrote something else there may have written a secret. */
export function shownReference(text: string): string {
  const [, inside = text] = /^\{vault:\/\/([^{}]*)\}?$/.exec(text) ?? [];
  return isHidden(text) || !isName(inside) ? NOT_SHOWN : text;
}

/**
 * How the error about a value that is not allowed quotes it: only a short text without a key or token in it, so one that
 * is plausibly a misspelt value.
 */
export function shownValue(text: string): string {
  const isShort = text.length <= 64 && /^[\x20-\x7e]*$/.test(text);
  return isShort && !isHidden(text) && opaqueCharacters(text) === 0 ? JSON.stringify(text) : NOT_SHOWN;
}

/** What the system says of a file: its code and what that means. The error's own message repeats the path. */
export function fileProblem(error: unknown): string {
  if (error instanceof FileKindError) return error.message;
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^[A-Z][A-Z0-9_]+$/.test(code)) return 'unknown error';
  // Not getSystemErrorMessage, which is younger than the oldest Node.js that the client for it supports.
  const [, means] = (typeof errno === 'number' && getSystemErrorMap().get(errno)) || [];
  return means === undefined ? code : `${code}: ${means}`;
}

/**
 * What an error of the system or of Node.js says, without what it repeats of its call; undefined for another error, whose
 * message is somebody's own.
 */
export function systemErrorMessage(error: Error): string | undefined {
  const { code, syscall, path, hostname, address, port } = error as NodeJS.ErrnoException & {
    hostname?: unknown;
    address?: unknown;
    port?: unknown;
  };
  // It quotes the argument, such as a path with a NUL in it.
  if (code === 'ERR_INVALID_ARG_VALUE') return code;
  if (typeof code !== 'string' || syscall === undefined) return undefined;
  if (path !== undefined) return fileProblem(error);
  if (typeof hostname === 'string') return `${syscall} ${code} ${shownName(hostname)}`;
  if (typeof address !== 'string') return undefined;
  return `${syscall} ${code} ${typeof port === 'number' ? `${shownName(address)}:${port}` : shownPath(address)}`;
}

/**
 * The error of a setting or option whose file can't be used, in one line.
 *
 * @param name of the setting or option, with what stands between it and its value
 * @param problem such as `can't be read`
 * @param forms what it may be, where that is not only a path
 */
export function fileError(name: string, path: string, problem: string, error: unknown, forms?: string): string {
  const allowed = forms === undefined ? 'it takes the path of a file, not what the file holds' : `it must be ${forms}`;
  const hint = isPath(path) ? '' : `; ${allowed}`;
  return `${name}${shownPath(path)} ${problem}: ${fileProblem(error)}${hint}`;
}

function isHidden(text: string): boolean {
  if (hidden.size === 0) return false;
  if (hidden.has(text)) return true;
  // What is made of it: a file below a folder, the path of a file:// URL.
  for (const kept of hidden) if (kept.length >= 4 && (text.includes(kept) || kept === `file://${text}`)) return true;
  return false;
}

function isPath(text: string): boolean {
  if (text === '' || Buffer.byteLength(text) >= PATH_MAX || text.includes('---') || text.includes('://')) return false;
  if (/^(?:\/|\.{1,2}\/|~\/)/.test(text)) {
    const isPlain = /^[\p{L}\p{M}\p{N}/._~@:+=,() -]+$/u.test(text);
    return isPlain && opaqueCharacters(text.replaceAll(UUID_SEGMENT, '')) <= MAX_OPAQUE;
  }
  const isPlain = /^[A-Za-z0-9][A-Za-z0-9/._@-]*$/.test(text);
  return isPlain && (text.includes('/') || FILE_NAME.test(text)) && opaqueCharacters(text) === 0;
}

function isName(text: string): boolean {
  if (isIP(text.replaceAll(/[[\]]/g, '')) !== 0) return true;
  if (text.length > MAX_NAME || !/^[\p{L}\p{M}\p{N}/._~@:+=,*()?&#$[\]| -]*$/u.test(text)) return false;
  if (LONE_UUID.test(text) || /^[\w-]+:[^:@/]*@/.test(text)) return false;
  const isOfCloud = /^arn:[a-z-]+:iam:/.test(text) || isDomainName(text);
  return opaqueCharacters(text) <= (isOfCloud ? MAX_OPAQUE_OF_CLOUD : MAX_OPAQUE_OF_NAME);
}

/** With two labels at its end that are words, as `eu-west-1.amazonaws.com`; a token with dots in it has none. */
function isDomainName(text: string): boolean {
  const labels = text.split('.');
  return (
    labels.length >= 3 &&
    labels.slice(-2).every((label) => /^[a-z][a-z0-9-]*$/.test(label) && opaqueCharacters(label) === 0)
  );
}
