import type { Stats } from 'node:fs';

/** A file that is not of the kind that it must be. Its message names no path. */
export class FileKindError extends Error {
  override readonly name = 'FileKindError';
}

/** Such as `a character device`, for an error. */
export function kindOf(found: Stats): string {
  if (found.isCharacterDevice()) return 'a character device';
  if (found.isBlockDevice()) return 'a block device';
  if (found.isSocket()) return 'a socket';
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isFile() ? 'a file' : 'no file';
}
