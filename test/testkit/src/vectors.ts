import { readFileSync } from 'node:fs';

const VECTORS = new URL('../../vectors/', import.meta.url);

/**
 * The binding examples of docs/reference/specification.md, for tests.
 *
 * @param name file name without `.json`, such as `references`
 */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, VECTORS), 'utf8')) as T;
}
