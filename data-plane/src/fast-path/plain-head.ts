import type { IncomingHttpHeaders } from 'node:http';

/** What a plain GET asks for. */
export interface PlainHead {
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
}

/** Longer ones are not worth remembering. */
export const LONGEST_PLAIN_HEAD = 4096;

/**
 * Headers that change nothing about the answer, or only by what is read of them here: the token's, and Host. Whatever is
 * not among them may mean something, and makes a head one that is not plain.
 */
const PLAIN_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'x-aws-parameters-secrets-token',
  'x-vault-token',
  'authorization',
  'user-agent',
  'accept',
  'accept-encoding',
  'accept-language',
  'sec-fetch-mode',
  'connection',
]);
const REQUEST_LINE = /^GET (\/[\w/?&=%.~:@!$'()*+,;-]*) HTTP\/1\.1$/;
const HEADER_LINE = /^([A-Za-z-]+): ([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/**
 * Reads a request that is one GET without a body and without anything out of the ordinary, whole and alone.
 *
 * @param text latin1
 * @returns null for any other bytes, right or wrong: they are node:http's to judge
 */
export function parsePlainHead(text: string): PlainHead | null {
  if (text.length > LONGEST_PLAIN_HEAD || !text.endsWith('\r\n\r\n')) return null;
  const [first, ...lines] = text.slice(0, -4).split('\r\n');
  const target = REQUEST_LINE.exec(first!)?.[1];
  if (target === undefined) return null;
  const headers: IncomingHttpHeaders = {};
  for (const line of lines) {
    const match = HEADER_LINE.exec(line);
    if (!match) return null;
    const name = match[1]!.toLowerCase();
    if (!PLAIN_HEADERS.has(name) || Object.hasOwn(headers, name)) return null;
    headers[name] = match[2]!;
  }
  if (headers.host === undefined) return null;
  if (headers.connection !== undefined && headers.connection.toLowerCase() !== 'keep-alive') return null;
  const at = target.indexOf('?');
  return {
    path: at < 0 ? target : target.slice(0, at),
    query: new URLSearchParams(at < 0 ? '' : target.slice(at + 1)),
    headers,
  };
}
