import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { FileKindError, kindOf } from './file-kind.ts';

/** No certificate, key or policy is larger. */
export const MAX_FILE_BYTES = 1024 * 1024;

// Without it, to open a pipe waits for somebody who writes to it.
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a file that a setting names. What is no regular file is not read: a pipe would be waited for, a device has no end,
 * and neither says the same when it is read again.
 *
 * @throws Error of the file system; FileKindError
 */
export function readRegularBytes(path: string, maxBytes = MAX_FILE_BYTES): Buffer {
  const file = openSync(path, FLAGS);
  try {
    assertRegular(fstatSync(file), maxBytes);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** The same, as text. */
export function readRegularFile(path: string): string {
  return readRegularBytes(path).toString('utf8');
}

/** The same, without holding anything up. */
export async function loadRegularBytes(path: string, maxBytes = MAX_FILE_BYTES): Promise<Buffer> {
  const file = await open(path, FLAGS);
  try {
    assertRegular(await file.stat(), maxBytes);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The same, as text. */
export async function loadRegularFile(path: string, maxBytes?: number): Promise<string> {
  return (await loadRegularBytes(path, maxBytes)).toString('utf8');
}

function assertRegular(found: Stats, maxBytes: number): void {
  if (!found.isFile()) throw new FileKindError(`it is ${kindOf(found)}, not a regular file`);
  if (found.size > maxBytes) throw new FileKindError(`it is larger than ${maxBytes} bytes`);
}
