import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** One file of the page, as browsers are given it. */
export interface ManagerFile {
  type: string;
  body: Buffer;
  gzip: Buffer;
  brotli: Buffer;
  etag: string;
}

/** The page: its files by their path below it, with `index.html` as the page itself. */
export interface ManagerPage {
  files: Map<string, ManagerFile>;
  /** The SHA-256 of the one script that stands in the page, for the policy; undefined where there is none. */
  scriptDigest?: string;
}

export const HTML = 'text/html; charset=utf-8';
export const JAVASCRIPT = 'text/javascript; charset=utf-8';
export const CSS = 'text/css; charset=utf-8';
export const SVG = 'image/svg+xml';

export function managerFile(type: string, text: string): ManagerFile {
  const body = Buffer.from(text);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, gzip: gzipSync(body, { level: 9 }), brotli: brotliCompressSync(body), etag };
}
