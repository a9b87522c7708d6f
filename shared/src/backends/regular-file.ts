import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** No certificate, key or policy is larger. */
export const MAX_FILE_BYTES = 1024 * 1024;

/**
 * A file's text. A path that somebody else chose may name a pipe, which would be waited for, or a device, which has no end:
 * neither is read.
 *
 * @throws Error with a `code`
 */
export function readRegularFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw coded('not a regular file', 'EINVAL');
    if (found.size > MAX_FILE_BYTES) throw coded(`larger than ${MAX_FILE_BYTES} bytes`, 'EFBIG');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
