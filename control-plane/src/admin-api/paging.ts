import { UUID } from '@vaultplane/model/vaults/validation.ts';
import type { PageQuery } from '../store/config-store.ts';
import { invalidOffset, invalidOptions, invalidSize } from './kong-error.ts';

const DEFAULT_SIZE = 100;
const LARGEST_SIZE = 1000;

export type Query = Record<string, string | string[] | undefined>;

/** The value of a query's parameter; of one that is given twice the first. */
export function parameter(query: Query, name: string): string | undefined {
  const value = query[name];
  return Array.isArray(value) ? value[0] : value;
}

/** `?size`, from 1 to 1000. @throws KongError */
export function sizeOf(query: Query): number {
  const text = parameter(query, 'size');
  if (text === undefined) return DEFAULT_SIZE;
  const size = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(size >= 1 && size <= LARGEST_SIZE)) throw invalidSize();
  return size;
}

/** What `?size`, `?offset` and `?tags` ask for. @throws KongError */
export function pageQuery(query: Query): PageQuery {
  const offset = parameter(query, 'offset');
  return { size: sizeOf(query), after: offset === undefined ? undefined : readOffset(offset), tags: tagsOf(query) };
}

/**
 * A page in Kong's form. `rows` may have one more than the page: then there is a next one.
 *
 * @param keyOf what the next page begins behind
 * @param filters parameters that the next page is to have too, beside the size
 */
export function pageAnswer<Row>(
  path: string,
  query: Query,
  size: number,
  rows: Row[],
  keyOf: (row: Row) => string,
  filters: readonly string[] = ['tags'],
) {
  const data = rows.slice(0, size);
  if (rows.length <= size) return { data, next: null };
  const offset = Buffer.from(keyOf(data.at(-1)!)).toString('base64url');
  const rest = [...filters, 'size'].flatMap((name) => {
    const value = parameter(query, name);
    return value === undefined ? [] : [`&${name}=${encodeURIComponent(value)}`];
  });
  return { data, offset, next: `${path}?offset=${offset}${rest.join('')}` };
}

/** `?offset` of a list whose key is a number. @throws KongError */
export function numericOffset(query: Query): number | undefined {
  const offset = parameter(query, 'offset');
  if (offset === undefined) return undefined;
  const text = Buffer.from(offset, 'base64url').toString('latin1');
  if (!/^\d{1,15}$/.test(text)) throw invalidOffset(offset);
  return Number(text);
}

function readOffset(offset: string): string {
  const id = Buffer.from(offset, 'base64url').toString('latin1');
  if (!UUID.test(id)) throw invalidOffset(offset);
  return id;
}

/** `a,b`: all of them; `a/b`: any of them. Source: Kong, api/endpoints.lua. */
function tagsOf(query: Query): PageQuery['tags'] {
  const text = parameter(query, 'tags');
  if (text === undefined) return undefined;
  const invalid = () => invalidOptions({ tags: 'invalid filter syntax' });
  if (text === '' || /\p{Cc}/u.test(text) || !text.isWellFormed()) throw invalid();
  if (text.includes(',') && text.includes('/')) throw invalid();
  const tags = text.split(/[,/]/);
  // A separator may end the list.
  if (tags.length > 1 && tags.at(-1) === '') tags.pop();
  if (tags.includes('')) throw invalid();
  return text.includes('/') ? { any: tags } : { all: tags };
}
