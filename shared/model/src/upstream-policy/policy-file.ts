import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { StartError } from '@vaultplane/platform/errors.ts';
import { MAX_FILE_BYTES } from '@vaultplane/platform/files/regular-file.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { UpstreamPolicy } from './policy.ts';
import { type PolicySurroundings, parsePolicy } from './policy-form.ts';

/** A policy as a file has it, and the text that it was read from. */
export interface PolicyFile {
  policy: UpstreamPolicy;
  text: string;
}

/**
 * Reads the file of upstream_policy: a regular file of root's or of this program's user that nobody else may write.
 *
 * @throws StartError one line that says what is wrong, and what to do
 */
export function readPolicyFile(path: string, surroundings: PolicySurroundings): PolicyFile {
  const fail = (what: string): never => {
    throw new StartError(`upstream_policy = ${shownPath(path)} ${what}`);
  };
  const text = readTrusted(path, fail);
  try {
    return { policy: new UpstreamPolicy(parsePolicy(text, surroundings)), text };
  } catch (error) {
    return fail((error as Error).message);
  }
}

function readTrusted(path: string, fail: (what: string) => never): string {
  let file: number;
  try {
    // A pipe would be waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return fail(`can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) fail('is not a regular file');
    const { uid, mode, size } = found;
    if (uid !== 0 && uid !== process.geteuid?.())
      fail("is not owned by root or this program's user; chown it to one of them");
    if ((mode & 0o022) !== 0) fail('can be written by others than its owner; chmod go-w it');
    if (size > MAX_FILE_BYTES) fail(`is larger than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}
