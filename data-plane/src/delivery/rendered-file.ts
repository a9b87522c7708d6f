import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeDurably } from '@vaultplane/shared/durable-file.ts';
import { inHeldFolder } from '@vaultplane/shared/own-links.ts';
import type { FileOwner } from './file-owner.ts';
import { noteOwed } from './owed-note.ts';

export interface ReplaceOptions {
  mode: number;
  owner?: FileOwner | undefined;
  /** Notes beside the file that a command is owed, before it is changed. */
  noteOwed?: boolean;
}

/**
 * Replaces a file that is made from secrets: whoever reads it finds the old text whole or the new one, never with a wider
 * mode.
 *
 * @param path without links, as outputPath gives it
 * @returns whether anything had to be changed
 * @throws Error of the file system; StartError
 */
export function replaceFile(path: string, text: string, options: ReplaceOptions): Promise<boolean> {
  return inHeldFolder(dirname(path), async (folder) => {
    const held = join(folder, basename(path));
    if (await isAlready(held, text, options)) return false;
    const takeBack = options.noteOwed ? await noteOwed(held) : undefined;
    try {
      return await writeDurably(held, text, options);
    } catch (error) {
      await takeBack?.();
      throw error;
    }
  });
}

async function isAlready(path: string, text: string, { mode: wanted, owner }: ReplaceOptions): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    // What was put there since, a link or a pipe, is not followed and not waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    const { mode, uid, gid } = found;
    if (!found.isFile() || (mode & 0o7777) !== wanted) return false;
    if (owner && ((owner.uid !== -1 && owner.uid !== uid) || (owner.gid !== -1 && owner.gid !== gid))) return false;
    return (await file.readFile('utf8')) === text;
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
