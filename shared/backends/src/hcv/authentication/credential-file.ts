import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { loadRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';

/**
 * A credential that stands in a file by itself, without the white space around it. Read anew each time: what writes such
 * files changes them.
 *
 * @param field that names the file
 * @param form what the credential looks like: of a file that is something else nothing is sent anywhere
 * @throws BackendError unavailable
 */
export async function credentialInFile(field: string, path: string, form: RegExp): Promise<string> {
  let text: string;
  try {
    text = (await loadRegularFile(path)).trim();
  } catch (error) {
    throw new BackendError('unavailable', fileError(`${field}: `, path, "can't be read", error));
  }
  if (form.test(text)) return text;
  throw new BackendError('unavailable', `${field}: ${shownPath(path)} does not hold what it should`);
}

/** A signed JSON Web Token, as its three parts. */
export const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** A secret_id, or a token of the server. */
export const OPAQUE = /^[\x21-\x7e]{1,1024}$/;
