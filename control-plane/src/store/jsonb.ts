/**
 * The text of a jsonb. It takes neither a null character nor half a surrogate pair, and what one data plane says of
 * itself must not keep the rows of the others from being written.
 */
export function jsonbOf(value: unknown): string {
  return JSON.stringify(value).replaceAll(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escaped) =>
    escaped.length > 2 ? '\\ufffd' : escaped,
  );
}
