import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { fileError, shownPath } from '@vaultplane/shared/shown-text.ts';

/** @throws StartError naming the setting whose file can't be read */
export function readPem(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartError(fileError(`${setting} = `, file, "can't be read", error));
  }
}

/**
 * A certificate and its key, from the files that `setting` and `setting`_key name.
 *
 * @throws StartError when one can't be read, or TLS can't use the two together
 */
export function readPemPair(setting: string, certificateFile: string, keyFile: string): { cert: string; key: string } {
  const pair = { cert: readPem(setting, certificateFile), key: readPem(`${setting}_key`, keyFile) };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new StartError(
      `${setting} = ${shownPath(certificateFile)} and ${setting}_key = ${shownPath(keyFile)} can't be used together: ${errorMessage(error)}`,
    );
  }
  return pair;
}
