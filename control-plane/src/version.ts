import { readFileSync } from 'node:fs';

/** This program's version, as in its package.json. */
export const PROGRAM_VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version;

/** The version of Kong's Admin API that is spoken: tools such as decK look at it (CONTRACT.md §5). */
export const KONG_API_VERSION = '3.10.0';
