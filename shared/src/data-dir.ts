import { chmod, mkdir, stat } from 'node:fs/promises';
import { StartError } from './errors.ts';
import type { Log } from './log.ts';
import { fileError, shownPath } from './shown-text.ts';

/**
 * Makes data_dir, with mode 0700, or sees to it that one which is there is this user's alone: whoever else could write in it
 * would choose what this program believes of itself, and whoever could read in it has its keys.
 *
 * @param options.group whether the group may keep the right to read: applications may have their token from there
 * @throws StartError that names it and says what to do
 */
export async function prepareDataDir(path: string, log: Log, { group = false } = {}): Promise<void> {
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    found = await stat(path);
  } catch (error) {
    throw new StartError(fileError('data_dir = ', path, "can't be made", error));
  }
  const own = process.geteuid?.() ?? found.uid;
  if (found.uid !== own) {
    throw new StartError(
      `data_dir = ${shownPath(path)} belongs to user ${found.uid}, who could change what is in it; run as that user, or \`chown -R ${own}\` it`,
    );
  }
  const mode = found.mode & 0o777;
  const wanted = mode & (group ? 0o750 : 0o700);
  if (mode === wanted) return;
  try {
    await chmod(path, wanted);
  } catch (error) {
    throw new StartError(fileError('data_dir = ', path, `is open to other users (mode 0${mode.toString(8)})`, error));
  }
  log.warn(
    { path, was: `0${mode.toString(8)}`, mode: `0${wanted.toString(8)}` },
    'data_dir was open to other users; it is no longer',
  );
}
