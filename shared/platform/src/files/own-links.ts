import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { StartError } from '../errors.ts';
import { shownPath } from '../text/shown-text.ts';

/** Linux's own. */
const MAX_LINKS = 40;
/** Where /dev/stdout and /dev/fd lead. */
const OPEN_FILE = /^\/proc\/\d+(?:\/task\/\d+)?\/fd\/\d+$/;

/**
 * Where a path leads, for a file that is to be written there. Links that this user or root has made are followed; one of
 * another user, as anybody can make one in /tmp, would have this program write where that user wants.
 *
 * @returns a path without links, but for one of /proc/PID/fd at its end; of what is not there yet, where it will be
 * @throws StartError for a link of another user; Error of the file system
 */
export async function followOwnLinks(path: string): Promise<string> {
  const trusted = [0, process.geteuid?.()];
  let waiting = segmentsOf(resolve(path));
  let at = '/';
  let links = 0;
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const next = join(at, name);
    const found = await lstat(next).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (!found) return join(next, ...waiting);
    // What a link of /proc leads to is open already, and may have no path: it is named by the link.
    if (!found.isSymbolicLink() || (waiting.length === 0 && OPEN_FILE.test(next))) {
      at = next;
      continue;
    }
    if (!trusted.includes(found.uid)) {
      throw new StartError(
        `${shownPath(path)} leads over a link of another user (${shownPath(next)}, user ${found.uid}), which is not followed; remove it or write elsewhere`,
      );
    }
    if (++links > MAX_LINKS) throw new StartError(`${shownPath(path)} leads over too many links`);
    const target = await readlink(next);
    if (isAbsolute(target)) at = '/';
    waiting = [...segmentsOf(target), ...waiting];
  }
  return at;
}

/**
 * Does something in a folder that is held open meanwhile: where somebody moves it away, and puts a link in its place, what
 * is written is still written in that folder. Where there is no /proc, the folder is named.
 *
 * @param folder a path without links, as followOwnLinks gives it
 * @param task is given a path of the folder, good until it has ended
 * @throws StartError where there is a link on the path by now; Error of the file system
 */
export async function inHeldFolder<T>(folder: string, task: (path: string) => Promise<T>): Promise<T> {
  const held = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const path = `/proc/self/fd/${held.fd}`;
    const real = await readlink(path).catch(() => undefined);
    if (real === undefined) return await task(folder);
    if (real !== folder)
      throw new StartError(`${shownPath(folder)} leads elsewhere than a moment ago; write elsewhere`);
    return await task(path);
  } finally {
    await held.close();
  }
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}
