import { constants, type Stats } from 'node:fs';
import { access, chmod, lstat, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StartError } from '../errors.ts';
import type { Log } from '../logging/log.ts';
import { fileError, fileProblem, shownPath } from '../text/shown-text.ts';
import { followOwnLinks } from './own-links.ts';

const ROOT = 0;
/** Applications may have it from there by their group, or as their own. */
const APPLICATION_TOKEN = 'api-token';
/** Not admin-token, which a control plane looks at where it reads it. */
const KEY_FILE = /^(?:api-token|identity\.pem|.+\.key)$/;

export interface DataDirOptions {
  /** The group may keep the right to read: applications may have their token from there. */
  group?: boolean;
  /** Root is here for another user, whose it may be; that user's program mends it at its start. */
  forItsUser?: boolean;
}

/**
 * Makes data_dir, with mode 0700, or sees to it that one which is there is this user's alone, and each file with a key in
 * it: whoever else could write in it would choose what this program believes of itself, and whoever could read in it has
 * its keys. What is this user's own is mended, with a warning.
 *
 * A data_dir of root is good for another user where only root and a group of this process may write in it: so a volume of
 * Kubernetes looks to a pod with an fsGroup.
 *
 * @throws StartError that names what can't be mended and says what to do
 */
export async function prepareDataDir(
  path: string,
  log: Log,
  { group = false, forItsUser = false }: DataDirOptions = {},
): Promise<void> {
  const { real, found } = await makeFolder(path);
  const own = process.geteuid?.() ?? found.uid;
  // Nothing is changed below another user's folder: they could put a link in its place meanwhile.
  if (forItsUser && own === ROOT && found.uid !== ROOT) return;
  const name = `data_dir = ${shownPath(path)}`;
  if (found.uid === own) {
    const mended = await mend(real, name, found, found.mode & (group ? 0o750 : 0o700));
    if (mended) log.warn(mended, 'data_dir was open to other users; it is no longer');
  } else {
    refuseForeign(name, found, own);
  }
  for (const file of await readdir(real).catch(() => [])) {
    if (KEY_FILE.test(file)) await keepKeyFile(join(real, file), file, own, log);
  }
}

/**
 * Whether `prepareDataDir` would take it, found without a change.
 *
 * @returns whether it is there
 * @throws StartError
 */
export async function checkDataDir(path: string): Promise<boolean> {
  const name = `data_dir = ${shownPath(path)}`;
  let nearest = await followOwnLinks(path).catch((error: Error) => {
    throw new StartError(`data_dir = ${error.message}`);
  });
  let found = await lstat(nearest).catch(() => undefined);
  const isThere = found !== undefined;
  while (!found && dirname(nearest) !== nearest) {
    nearest = dirname(nearest);
    found = await lstat(nearest).catch(() => undefined);
  }
  const own = process.geteuid?.() ?? found!.uid;
  if (isThere && found!.uid !== own) refuseForeign(name, found!, own);
  const problem = isThere ? "can't be written in" : `can't be made in ${shownPath(nearest)}`;
  if (isThere && !found!.isDirectory()) throw new StartError(`${name} is no folder`);
  await access(nearest, constants.W_OK | constants.X_OK).catch((error) => {
    throw new StartError(fileError('data_dir = ', path, problem, error));
  });
  return isThere;
}

/** @throws StartError for a folder of another user's that this one can't trust */
function refuseForeign(name: string, found: Stats, own: number): void {
  if (found.uid !== ROOT) {
    throw new StartError(
      `${name} belongs to user ${found.uid}, who could change what is in it; run as that user, or \`chown -R ${own}\` it`,
    );
  }
  if (mayOthersWrite(found)) {
    throw new StartError(
      `${name} belongs to root, and users other than this one may write in it (mode ${modeOf(found)}); set data_dir to a folder below it, which is then made for this user alone, or \`chown ${own}\` it`,
    );
  }
}

async function makeFolder(path: string): Promise<{ real: string; found: Stats }> {
  try {
    const real = await followOwnLinks(path);
    await mkdir(real, { recursive: true, mode: 0o700 });
    return { real, found: await lstat(real) };
  } catch (error) {
    if (error instanceof StartError) throw new StartError(`data_dir = ${error.message}`);
    throw new StartError(fileError('data_dir = ', path, "can't be made", error));
  }
}

/** @throws StartError */
async function keepKeyFile(path: string, file: string, own: number, log: Log): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found || found.isDirectory()) return;
  const name = shownPath(path);
  const isToken = file === APPLICATION_TOKEN;
  if (found.uid !== own && found.uid !== ROOT && !isToken) {
    throw new StartError(
      `${name} belongs to user ${found.uid}, who could put another key there; remove it, or \`chown ${own}\` it`,
    );
  }
  // A link of this user or of root leads where they want.
  if (!found.isFile()) return;
  if (found.uid === own) {
    const mended = await mend(path, name, found, found.mode & (isToken ? 0o640 : 0o600));
    if (mended) log.warn(mended, 'a key in data_dir was open to other users; it is no longer');
  } else if ((found.mode & 0o027) !== 0) {
    throw new StartError(`${name} is open to other users (mode ${modeOf(found)}); \`chmod 0640\` it`);
  }
}

/** @returns what is to be logged, where something had to be changed @throws StartError */
async function mend(
  path: string,
  name: string,
  found: Stats,
  wanted: number,
): Promise<Record<string, string> | undefined> {
  if ((found.mode & 0o777) === wanted) return undefined;
  const problem = `is open to other users (mode ${modeOf(found)})`;
  try {
    await chmod(path, wanted);
  } catch (error) {
    throw new StartError(`${name} ${problem}, which can't be changed: ${fileProblem(error)}`);
  }
  // Some file systems, such as those of other machines, take a mode and keep their own.
  const left = (await lstat(path)).mode & 0o777;
  if (left !== wanted) throw new StartError(`${name} ${problem}, and its file system keeps it so; use another folder`);
  return { path, was: modeOf(found), mode: `0${wanted.toString(8)}` };
}

function mayOthersWrite({ mode, gid }: Stats): boolean {
  const isOurGroup = gid === process.getegid?.() || process.getgroups?.().includes(gid) === true;
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !isOurGroup);
}

function modeOf({ mode }: Stats): string {
  return `0${(mode & 0o7777).toString(8)}`;
}
