import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { writeDurably } from '@vaultplane/shared/durable-file.ts';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import type { Log } from '@vaultplane/shared/log.ts';

/** Where a call may carry the token, beside `Authorization: Bearer` (CONTRACT.md §6). */
const TOKEN_HEADERS = ['x-aws-parameters-secrets-token', 'x-vault-token'] as const;

/** The token that application calls must carry. */
export class ApiToken {
  readonly #bytes: Buffer;

  constructor(token: string) {
    this.#bytes = Buffer.from(token);
  }

  /** Whether a call carries the token. How long the comparison takes tells nothing but the token's length. */
  isIn(headers: IncomingMessage['headers']): boolean {
    for (const name of TOKEN_HEADERS) {
      const sent = headers[name];
      if (typeof sent === 'string' && this.#equals(sent)) return true;
    }
    const { authorization } = headers;
    return (
      authorization !== undefined && /^bearer /i.test(authorization) && this.#equals(authorization.slice(7).trim())
    );
  }

  #equals(sent: string): boolean {
    const bytes = Buffer.from(sent);
    return bytes.length === this.#bytes.length && timingSafeEqual(bytes, this.#bytes);
  }
}

/**
 * The text of the token file.
 *
 * @returns undefined where there is no such file
 * @throws StartError when it can't be read or holds no token
 */
export async function readTokenFile(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(`api_token_file = ${path} can't be read: ${errorMessage(error)}`);
  }
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new StartError(
      `api_token_file = ${path} must hold one token of printable characters without spaces; remove the file to have one made`,
    );
  }
  return token;
}

/** The token of api_token_file, which is made, with a random token and mode 0600, where it is missing. */
export async function loadApiToken(path: string, log: Log): Promise<ApiToken> {
  const token = await readTokenFile(path);
  if (token === undefined) {
    const made = randomBytes(32).toString('base64url');
    try {
      await writeDurably(path, `${made}\n`);
    } catch (error) {
      throw new StartError(`api_token_file = ${path} can't be made: ${errorMessage(error)}`);
    }
    log.info({ path }, 'made a token for application calls');
    return new ApiToken(made);
  }
  if (((await stat(path)).mode & 0o007) !== 0) {
    log.warn(
      { path },
      'the file with the token for application calls is open to every user of this machine; chmod o= it',
    );
  }
  return new ApiToken(token);
}
