import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { fileError, fileProblem, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { ControlPlaneSettings } from '../settings.ts';

/** In data_dir: the token that `admin_token = auto` has made. */
export const ADMIN_TOKEN_FILE = 'admin-token';
/** The value of admin_token that has one made. */
const AUTO = 'auto';
/** Printable, and no shorter than 128 random bits in base64. */
const TOKEN = /^[\x21-\x7e]{22,4096}$/;

type TokenSettings = Pick<ControlPlaneSettings, 'admin_token' | 'data_dir'>;

/**
 * What a control plane takes as its admin token: that of the setting or, where it is `auto`, that of data_dir/admin-token,
 * which is made if it is missing. Undefined: none is set.
 *
 * @throws StartError when the file can't be made or used
 */
export function ensureAdminToken({ admin_token, data_dir }: TokenSettings, log: Log): string | undefined {
  if (admin_token !== AUTO) return admin_token;
  const path = join(data_dir, ADMIN_TOKEN_FILE);
  const there = readTokenFile(path, log);
  if (there !== undefined) return there;
  const token = randomBytes(32).toString('base64url');
  try {
    writeNewFile(path, `${token}\n`);
  } catch (error) {
    throw new StartError(fileError('admin_token = auto: ', path, "can't be made", error));
  }
  log.info({ path }, 'made an admin token');
  return token;
}

/**
 * The token that a command on the control plane's machine calls it with: that of the setting, or the one that `auto` has
 * made. Undefined where there is none.
 *
 * @throws StartError when the file can't be used
 */
export function knownAdminToken({ admin_token, data_dir }: TokenSettings): string | undefined {
  if (admin_token !== undefined && admin_token !== AUTO) return admin_token;
  return readTokenFile(join(data_dir, ADMIN_TOKEN_FILE));
}

/** @param log where the file may be mended; without it nothing is changed */
function readTokenFile(path: string, log?: Log): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const why = code === 'ELOOP' ? 'it is a symbolic link' : fileProblem(error);
    throw new StartError(`${shownPath(path)} can't be used as the admin token: ${why}; remove it to have one made`);
  }
  try {
    const { mode, uid } = fstatSync(file);
    // A command may be root's, on the file of the program's user.
    if (log && uid !== 0 && uid !== process.getuid?.()) {
      throw new StartError(`${shownPath(path)} belongs to another user; remove it to have an admin token made`);
    }
    if (log && (mode & 0o077) !== 0) {
      fchmodSync(file, 0o600);
      log.warn({ path }, 'the file with the admin token was open to others; remove it to have another made');
    }
    const token = readFileSync(file, 'utf8').trim();
    if (TOKEN.test(token)) return token;
    throw new StartError(
      `${shownPath(path)} must hold one token of at least 22 characters; remove it to have one made`,
    );
  } finally {
    closeSync(file);
  }
}

/** Makes a file of mode 0600 that is there whole or not at all, and never in place of another. */
function writeNewFile(path: string, content: string): void {
  const beside = `${path}.${randomBytes(8).toString('hex')}`;
  const file = openSync(beside, 'wx', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
    linkSync(beside, path);
  } finally {
    closeSync(file);
    unlinkSync(beside);
  }
}
