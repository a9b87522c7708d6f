import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const WRITABLE_BY_OTHERS = 0o022;

/** What was asked for; undefined, and -1 in the owner: as it is. */
export interface ToldAttributes {
  mode?: number | undefined;
  owner?: { uid: number; gid: number } | undefined;
  /** Of a file that is not there yet; 0600 where not given. */
  newMode?: number;
}

export interface FileAttributes {
  mode: number;
  /** -1: of this process. */
  owner: { uid: number; gid: number };
  /** Whether the owner is that of the file that is there, and not what was asked for. */
  isKept: boolean;
}

/**
 * Mode and owner for what replaces a file: what was asked for, else what the file has that is there, else that of a new
 * file of this user. A file that another user may have put there says nothing: its owner could read what is written.
 *
 * @param held the file, in a folder that is held open
 * @param folder the path of the folder, without links
 */
export async function attributesFor(held: string, folder: string, told: ToldAttributes): Promise<FileAttributes> {
  const found = await lstat(held).catch(() => undefined);
  const kept = found?.isFile() && (await isPutByUs(found, await stat(dirname(held)), folder)) ? found : undefined;
  const { uid = -1, gid = -1 } = told.owner ?? {};
  return {
    mode: told.mode ?? (kept ? kept.mode & 0o7777 : (told.newMode ?? 0o600)),
    owner: { uid: uid === -1 ? (kept?.uid ?? -1) : uid, gid: gid === -1 ? (kept?.gid ?? -1) : gid },
    isKept: kept !== undefined && (uid === -1 || gid === -1),
  };
}

/**
 * Whether only this user, root, or one to whom they gave the folder can have put a file where it is. A second link may be of
 * another's making, whoever owns the file.
 */
async function isPutByUs(found: Stats, folder: Stats, path: string): Promise<boolean> {
  if (isTrusted(found.uid) && found.nlink === 1) return true;
  for (let [at, above] = [folder, path]; ; ) {
    if ((at.mode & WRITABLE_BY_OTHERS) !== 0) return false;
    if (isTrusted(at.uid)) return true;
    // Their own folder: whoever made or gave it has to be looked at.
    if (at.uid !== found.uid || above === '/') return false;
    above = dirname(above);
    at = await lstat(above);
  }
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}
