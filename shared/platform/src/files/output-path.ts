import { fstatSync, type Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StartError } from '../errors.ts';
import { shownPath } from '../text/shown-text.ts';
import { kindOf } from './file-kind.ts';
import { followOwnLinks } from './own-links.ts';

/** What is at a path that output goes to. */
export type OutputPath =
  /** A regular file, or nothing yet: to be replaced as a whole. The path has no links. */
  | { kind: 'file'; path: string }
  | { kind: 'folder'; path: string }
  /** A named pipe: to be written to. */
  | { kind: 'pipe'; path: string }
  /** What this process was given open, such as its standard output: to be written to, whatever it is. */
  | { kind: 'descriptor'; fd: number };

export const STDOUT_FD = 1;

/**
 * Looks at where output is to go. Own links are followed, also to what is not there yet. Devices and sockets are refused:
 * replacing one breaks the machine, and what is written to one is gone or goes anywhere.
 *
 * @param path `-` is standard output
 * @param owner whose a named pipe may be, beside this user's and root's: whoever owns it can read what is written
 * @throws StartError that names the path and what it is; Error of the file system
 */
export async function outputPath(path: string, owner = -1): Promise<OutputPath> {
  if (path === '-') return { kind: 'descriptor', fd: STDOUT_FD };
  const real = await followOwnLinks(path);
  const fd = ownDescriptor(real);
  if (fd !== undefined) {
    assertOpen(path, fd);
    return { kind: 'descriptor', fd };
  }
  const isOfProcess = isProcessDescriptor(real);
  const found = await (isOfProcess ? stat : lstat)(real).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isFIFO()) {
    // Nobody can plant a link of /proc.
    if (!isOfProcess) assertOwnPipe(path, found, owner);
    return { kind: 'pipe', path: real };
  }
  if (found?.isDirectory()) return { kind: 'folder', path: real };
  if (found && !found.isFile()) throw refused(path, `is ${kindOf(found)}`);
  if (isOfProcess) throw refused(path, "is another process's open file");
  return { kind: 'file', path: real };
}

/** @throws StartError */
export function assertOwnPipe(path: string, { uid }: Stats, owner: number): void {
  if ([0, process.geteuid?.(), owner].includes(uid)) return;
  throw new StartError(
    `${shownPath(resolve(path))} is a pipe of another user (user ${uid}), who could read what is written to it; remove it, or write elsewhere`,
  );
}

export function refused(path: string, what: string): StartError {
  return new StartError(
    `${shownPath(resolve(path))} ${what}; give -o the path of a file or a pipe, or - for standard output`,
  );
}

/** N of /proc/SELF/fd/N, which /dev/stdout and /dev/fd/N lead to; /dev/fd/N itself where there is no /proc. */
function ownDescriptor(path: string): number | undefined {
  const [, pid, ofProcess, ofDevice] =
    /^(?:\/proc\/(\d+)(?:\/task\/\d+)?\/fd\/(\d+)|\/dev\/fd\/(\d+))$/.exec(path) ?? [];
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const fd = ofProcess ?? ofDevice;
  return fd === undefined ? undefined : Number(fd);
}

function isProcessDescriptor(path: string): boolean {
  return /^\/proc\/\d+(?:\/task\/\d+)?\/fd$/.test(dirname(path));
}

function assertOpen(path: string, fd: number): void {
  let found: Stats;
  try {
    found = fstatSync(fd);
  } catch {
    throw refused(path, 'is not open');
  }
  const canBeWrittenTo = found.isFIFO() || found.isSocket() || found.isFile() || found.isCharacterDevice();
  if (!canBeWrittenTo) throw refused(path, `is ${kindOf(found)}`);
}
