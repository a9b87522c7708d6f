import { randomBytes } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StartError } from '../errors.ts';
import { shownPath } from '../text/shown-text.ts';
import { kindOf } from './file-kind.ts';

/** What a file is written from, in one piece or in several. */
export type Content = string | Uint8Array | Iterable<Uint8Array>;

/** What a process that died while it wrote leaves beside a file is removed after so long: others may be writing there. */
const LEFT_BEHIND_AFTER_MS = 3_600_000;

/** Paths whose surroundings this process has cleared. */
const cleared = new Set<string>();

/**
 * Writes a file so that whoever reads it, also after a power cut, finds either the old content whole or the new one:
 * into a file beside it, fsync, rename, fsync of the directory. The file beside it is new and has a random name, so that
 * nobody can have put a link there. What a failure leaves half done is removed again, so that it does not go on filling a
 * full disk.
 *
 * @param options.mode of the file, 0600 unless told otherwise
 * @param options.owner numbers of its user and group, -1 for those of this process
 * @param options.unless asked at the last moment: the old content stays where it says so
 * @param options.modified ms since 1970, for the file's mtime; undefined: what the file system says
 * @returns whether the file was written
 * @throws StartError for a path that is no regular file's; Error of the file system
 */
export async function writeDurably(
  path: string,
  content: Content,
  {
    mode = 0o600,
    owner,
    unless = () => false,
    modified,
  }: {
    mode?: number;
    owner?: { uid: number; gid: number } | undefined;
    unless?: () => boolean;
    modified?: number;
  } = {},
): Promise<boolean> {
  await assertReplaceable(path);
  await clearBeside(path);
  // In the same folder, for the rename; hidden, so that whoever reads all files of a folder passes it by.
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.new`);
  try {
    // Its owner and mode before its content.
    await using(await open(beside, 'wx', 0o600), async (file) => {
      if (owner) await file.chown(owner.uid, owner.gid);
      // Whatever the umask has left of it.
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

/** A rename would put a file in place of a device, a pipe or a socket: as root, of /dev/null. */
async function assertReplaceable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found || found.isFile() || found.isSymbolicLink()) return;
  throw new StartError(`${shownPath(path)} is ${kindOf(found)}, which no file is put in place of; write elsewhere`);
}

/** Removes what earlier writes have left beside a file; once a process, and never failing. */
async function clearBeside(path: string): Promise<void> {
  if (cleared.has(path)) return;
  cleared.add(path);
  const [folder, name] = [dirname(path), basename(path)];
  const isLeft = (other: string) =>
    other === `${name}.new` ||
    (other.startsWith(`.${name}.`) && /^[0-9a-f]{16}\.new$/.test(other.slice(name.length + 2)));
  const others = (await readdir(folder).catch(() => [])).filter(isLeft).map((other) => join(folder, other));
  for (const other of others) {
    const left = await lstat(other).catch(() => undefined);
    if (!left || left.uid !== process.geteuid?.() || Date.now() - left.mtimeMs < LEFT_BEHIND_AFTER_MS) continue;
    await unlink(other).catch(() => {});
  }
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
