import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file so that whoever reads it, also after a power cut, finds either the old content whole or the new one:
 * into a file beside it, fsync, rename, fsync of the directory.
 *
 * @param mode of the file, 0600 unless told otherwise
 */
export async function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const beside = `${path}.new`;
  await using(await open(beside, 'w', mode), async (file) => {
    // A file that an earlier try left behind keeps the mode that it had.
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  });
  await rename(beside, path);
  await syncDirectory(dirname(path));
}

/** Makes what happened to a directory's entries last. */
export async function syncDirectory(path: string): Promise<void> {
  await using(await open(path, 'r'), (directory) => directory.sync());
}

async function using(file: FileHandle, task: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await task(file);
  } finally {
    await file.close();
  }
}
