import { lstat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';

const TEXT = `The command of vaultplane-dp render --exec has not run since the file beside this one was changed.
It is removed once the command has.
`;

/**
 * Notes beside a file, before it is changed, that a command is owed for it: so that the next run knows, also where this one
 * is killed. Hidden, for those who read all files of a folder, and nothing of a secret.
 *
 * @returns takes the note back, where it was not there before
 */
export async function noteOwed(path: string): Promise<() => Promise<void>> {
  if (await isNoted(path)) return async () => {};
  await writeDurably(noteOf(path), TEXT);
  return () => removeNote(path);
}

/** Whether this user or root has noted it. */
export async function isNoted(path: string): Promise<boolean> {
  const found = await lstat(noteOf(path)).catch(() => undefined);
  return found?.isFile() === true && [0, process.geteuid?.()].includes(found.uid);
}

/** @throws Error of the file system */
export async function removeNote(path: string): Promise<void> {
  await unlink(noteOf(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function noteOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.exec-owed`);
}
