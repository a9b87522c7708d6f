import { hash, randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StartError } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { loadRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';

/** What tokens are kept and compared as. How long it takes to look a digest up tells nothing about the token that it is of. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'hex');
}

/**
 * The path that `file:/PATH` or `file:///PATH` means, as AWS's provider has it in its variables for a token; undefined for
 * another text.
 */
export function filePathOf(text: string): string | undefined {
  if (!text.startsWith('file:/')) return undefined;
  try {
    return fileURLToPath(text);
  } catch {
    throw new StartError(`${shownPath(text)} must have the form file:///PATH`);
  }
}

/**
 * The text of a token file.
 *
 * @param setting where the path comes from, for errors
 * @returns undefined where there is no such file
 * @throws StartError when it can't be read or holds no token
 */
export async function readTokenFile(path: string, setting = 'api_token_file'): Promise<string | undefined> {
  let text: string;
  try {
    text = await loadRegularFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(fileError(`${setting} = `, path, "can't be read", error));
  }
  const token = text.trim();
  if (!isToken(token)) {
    throw new StartError(
      `${setting} = ${shownPath(path)} must hold one token of printable characters without spaces; remove the file to have one made`,
    );
  }
  return token;
}

export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/.test(text);
}

/** Makes api_token_file, with a random token and mode 0600, where it is missing. @throws StartError */
export async function ensureApiToken(path: string, log: Log): Promise<void> {
  if ((await readTokenFile(path)) === undefined) {
    try {
      await writeDurably(path, `${randomBytes(32).toString('base64url')}\n`);
    } catch (error) {
      throw new StartError(fileError('api_token_file = ', path, "can't be made", error));
    }
    log.info({ path }, 'made a token for application calls');
    return;
  }
  if (((await stat(path)).mode & 0o007) !== 0) {
    log.warn(
      { path },
      'the file with the token for application calls is open to every user of this machine; chmod o= it',
    );
  }
}
