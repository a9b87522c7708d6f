import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { attributesFor, type FileAttributes, type ToldAttributes } from '@vaultplane/platform/files/kept-attributes.ts';
import { inHeldFolder } from '@vaultplane/platform/files/own-links.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { noteOwed } from './owed-note.ts';

export interface ReplaceOptions extends ToldAttributes {
  /** Notes beside the file that a command is owed, before it is changed. */
  noteOwed?: boolean;
}

/**
 * Replaces a file that is made from secrets: whoever reads it finds the old content whole or the new one, never with a wider
 * mode. It keeps the mode and the owner that it has, where no others are asked for.
 *
 * @param path without links, as outputPath gives it
 * @returns whether anything had to be changed
 * @throws Error of the file system; StartError
 */
export function replaceFile(path: string, content: Uint8Array, options: ReplaceOptions): Promise<boolean> {
  return inHeldFolder(dirname(path), async (folder) => {
    const held = join(folder, basename(path));
    const attributes = await attributesFor(held, dirname(path), options);
    if (await isAlready(held, content, attributes)) return false;
    const takeBack = options.noteOwed ? await noteOwed(held) : undefined;
    try {
      return await writeDurably(held, content, attributes);
    } catch (error) {
      await takeBack?.();
      const isForbidden = (error as NodeJS.ErrnoException).syscall === 'fchown';
      if (!isForbidden || !attributes.isKept) throw error;
      const { uid, gid } = attributes.owner;
      throw new StartError(
        `${shownPath(path)} belongs to user ${uid} and group ${gid}, which this user can't keep; run as root, or say with --owner whose it is to be`,
      );
    }
  });
}

async function isAlready(path: string, content: Uint8Array, { mode, owner }: FileAttributes): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    // What was put there since, a link or a pipe, is not followed and not waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() || (found.mode & 0o7777) !== mode) return false;
    const uid = owner.uid === -1 ? process.geteuid?.() : owner.uid;
    if (found.uid !== uid || (owner.gid !== -1 && owner.gid !== found.gid)) return false;
    return found.size === content.byteLength && (await file.readFile()).equals(content);
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
