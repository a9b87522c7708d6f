import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { statSync } from 'node:fs';
import { StartError } from '../errors.ts';
import { readRegularBytes } from '../files/regular-file.ts';
import type { Log } from '../logging/log.ts';
import { fileError, shownPath } from '../text/shown-text.ts';
import { KEY_BYTES, keyOfText } from './key-text.ts';

/** The key of what is kept on disk encrypted. */
export interface SecretsKey {
  readonly key: KeyObject;
  /** Tells keys apart, and says nothing of the key. */
  readonly id: string;
}

const HOW_TO_MAKE = '(umask 077; openssl rand -hex 32 > FILE) makes one';

/** A key of exactly 32 bytes. */
export function secretsKeyOf(bytes: Uint8Array): SecretsKey {
  const id = createHmac('sha256', bytes).update('vaultplane secrets key').digest('hex').slice(0, 16);
  return { key: createSecretKey(bytes), id };
}

/**
 * Reads secrets_key_file: 32 bytes as 64 hex digits or as base64 (also base64url), with or without a newline behind
 * them, or as they are.
 *
 * @throws StartError that says nothing of what the file holds
 */
export function readSecretsKey(path: string, log?: Log): SecretsKey {
  let content: Buffer;
  try {
    content = readRegularBytes(path);
  } catch (error) {
    throw new StartError(`${fileError('secrets_key_file = ', path, "can't be read", error)}; ${HOW_TO_MAKE}`);
  }
  const bytes = keyBytes(content);
  content.fill(0);
  if (!bytes) {
    throw new StartError(
      `secrets_key_file = ${shownPath(path)} must hold a key of 32 bytes, as 64 hex digits, as base64, or as they are; ${HOW_TO_MAKE}`,
    );
  }
  if (log && (statSync(path).mode & 0o007) !== 0) {
    log.warn({ path }, 'secrets_key_file is open to every user of this machine; chmod o= it');
  }
  const key = secretsKeyOf(bytes);
  bytes.fill(0);
  return key;
}

function keyBytes(content: Buffer): Buffer | undefined {
  const text = content.toString('latin1').trim();
  const spelt = keyOfText(text);
  if (spelt) return spelt;
  // 32 characters of text are half a key in hex, or a password: whoever put them there meant something else.
  const isText = /^[\t\n\r -~]*$/.test(content.toString('latin1'));
  return content.byteLength === KEY_BYTES && !isText ? Buffer.from(content) : undefined;
}
