import { randomUUID } from 'node:crypto';
import { linkSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { StartError } from '@vaultplane/shared/errors.ts';
import { fileError, shownPath } from '@vaultplane/shared/shown-text.ts';

const LOCK = 'db.lock';
/** Longest path of a Unix socket on every system (Linux has 107, macOS 103). */
const LONGEST_SOCKET_PATH = 103;

/** Another process has this data_dir open. */
export class DataDirInUse extends StartError {}

/**
 * Holds a data_dir for this process: two on one embedded database would ruin it. The lock is a Unix socket that is
 * listened on, since the kernel takes that away with the process, however it dies; a process id in a file could be
 * somebody else's by now (in a container it is always 1).
 *
 * @returns what gives the lock up
 * @throws DataDirInUse
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  // A socket's path may be too long where its directory's is not: through an open directory it is short.
  const directory = join(dataDir, LOCK).length + 40 > LONGEST_SOCKET_PATH ? await open(dataDir, 'r') : undefined;
  const at = (name: string) => (directory ? `/proc/self/fd/${directory.fd}/${name}` : join(dataDir, name));
  const own = `${LOCK}.${randomUUID().slice(0, 8)}`;
  const server = await listen(at(own)).catch(async (error: Error) => {
    await directory?.close();
    throw new StartError(fileError('data_dir ', dataDir, "can't be locked", error));
  });
  const inode = statSync(at(own)).ino;
  const release = async () => {
    if (inodeOf(at(LOCK)) === inode) rmSync(at(LOCK), { force: true });
    rmSync(at(own), { force: true });
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await directory?.close();
  };

  for (let attempt = 0; attempt < 10; attempt++) {
    if (claim(at(own), at(LOCK))) {
      // Gone again if another process took this lock for a dead one's between its look and its rename, below.
      await new Promise((resolve) => setImmediate(resolve));
      if (inodeOf(at(LOCK)) === inode) {
        rmSync(at(own), { force: true });
        return release;
      }
      continue;
    }
    const seen = inodeOf(at(LOCK));
    if (await answers(at(LOCK))) {
      await release();
      throw new DataDirInUse(
        `data_dir ${shownPath(dataDir)} is in use by another process; stop that one, or set another data_dir`,
      );
    }
    if (seen !== undefined) removeDead(at(LOCK), at(`${own}.dead`), seen);
  }
  await release();
  throw new DataDirInUse(`data_dir ${shownPath(dataDir)} is being locked by several processes at once`);
}

/** Removes the lock of a process that is gone, and not one that a living process has put in its place meanwhile. */
function removeDead(lock: string, aside: string, seenInode: number): void {
  if (inodeOf(lock) !== seenInode) return;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (inodeOf(aside) !== seenInode) claim(aside, lock);
  rmSync(aside, { force: true });
}

function claim(own: string, lock: string): boolean {
  try {
    linkSync(own, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server.unref()));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A backlog that is full (EAGAIN) is somebody's; nobody listening (ECONNREFUSED) or no file (ENOENT) is nobody's.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
