import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a file is written from, in one piece or in several. */
export type Content = string | Uint8Array | Iterable<Uint8Array>;

/**
 * Writes a file so that whoever reads it, also after a power cut, finds either the old content whole or the new one:
 * into a file beside it, fsync, rename, fsync of the directory. What a failure leaves half done is removed again, so
 * that it does not go on filling a full disk.
 *
 * @param options.mode of the file, 0600 unless told otherwise
 * @param options.beside the file that is written first; whoever shares a path with other programs gives one of its own
 * @param options.unless asked at the last moment: the old content stays where it says so
 * @param options.modified ms since 1970, for the file's mtime; undefined: what the file system says
 * @returns whether the file was written
 */
export async function writeDurably(
  path: string,
  content: Content,
  {
    mode = 0o600,
    beside = `${path}.new`,
    unless = () => false,
    modified,
  }: { mode?: number; beside?: string; unless?: () => boolean; modified?: number } = {},
): Promise<boolean> {
  try {
    await using(await open(beside, 'w', mode), async (file) => {
      // A file that an earlier try left behind keeps the mode that it had.
      await file.chmod(mode);
      await file.writeFile(content);
      if (modified !== undefined) await file.utimes(modified / 1000, modified / 1000);
      await file.sync();
    });
    if (unless()) {
      await unlink(beside);
      return false;
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Removes a file, so that it stays removed; one that is not there is no error. Says whether there was one. */
export async function removeDurably(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  await syncDirectory(dirname(path));
  return true;
}

/**
 * Moves a file that can't be used out of the way, for a human to look at.
 *
 * @param now ms since 1970, for its new name
 * @returns its new path; null where it could not be moved, as in a directory that is read-only
 */
export async function setAside(path: string, now: number): Promise<string | null> {
  const aside = `${path}.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`;
  try {
    await rename(path, aside);
    await syncDirectory(dirname(path));
    return aside;
  } catch {
    return null;
  }
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
