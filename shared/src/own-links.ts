import { lstat, readlink } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { StartError } from './errors.ts';
import { shownPath } from './shown-text.ts';

/** Linux's own. */
const MAX_LINKS = 40;

/**
 * Where a path leads, for a file that is to be written there. Links that this user or root has made are followed; one of
 * another user, as anybody can make one in /tmp, would have this program write where that user wants.
 *
 * @returns a path without links; of what is not there yet, where it will be
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
    if (!found.isSymbolicLink()) {
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

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}
