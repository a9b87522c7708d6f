import { createCipheriv, createDecipheriv, createHash, createSecretKey, randomBytes } from 'node:crypto';
import { StartError } from '../errors.ts';
import { readRegularBytes } from '../files/regular-file.ts';
import { fileError, shownPath } from '../text/shown-text.ts';
import { KEY_BYTES, keyOfText } from './key-text.ts';
import type { SecretsKey } from './secrets-key.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Hex digits of a key's name: enough to tell the keys of one file apart, too few to help anybody. */
const NAME_LENGTH = 16;

/** A text that only the keyring that sealed it opens. */
export interface Sealed {
  /** Which key. */
  key: string;
  /** Nonce, ciphertext and tag, base64. */
  data: string;
}

/**
 * Keys under which texts are encrypted (AES-256-GCM): those of `keyring_key_file`, for what is sensitive in the database,
 * or that of `secrets_key_file`. The first seals, and all open: to change the key, put a new one before the old.
 */
export class Keyring {
  readonly #keys: readonly SecretsKey[];

  constructor(keys: ReadonlyArray<Buffer | SecretsKey>) {
    this.#keys = keys.map((key) => (Buffer.isBuffer(key) ? { id: nameOf(key), key: createSecretKey(key) } : key));
  }

  /**
   * Reads a file of keys: 32 bytes as they are, or one key a line as 64 hex digits or as base64.
   *
   * @throws StartError that says what is wrong with the file, and nothing of what is in it
   */
  static read(file: string): Keyring {
    let content: Buffer;
    try {
      content = readRegularBytes(file);
    } catch (error) {
      throw new StartError(fileError('keyring_key_file = ', file, "can't be read", error));
    }
    if (content.length === KEY_BYTES) return new Keyring([content]);
    const lines = content
      .toString('latin1')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
    const keys = lines.map(keyOfText);
    if (keys.length === 0 || keys.includes(undefined)) {
      throw new StartError(
        `keyring_key_file = ${shownPath(file)} must hold 32 bytes, or keys of 32 bytes in hex or base64, one a line; \`openssl rand -base64 32\` makes one`,
      );
    }
    return new Keyring(keys as Buffer[]);
  }

  /** @param context where the text belongs: elsewhere it does not open */
  seal(text: string, context: string): Sealed {
    const { id, key } = this.#keys[0]!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
    const data = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return { key: id, data: data.toString('base64') };
  }

  has(key: string): boolean {
    return this.#keys.some(({ id }) => id === key);
  }

  /** @returns undefined where the keyring has not the key, or the text is not one that was sealed for `context` */
  open({ key, data }: Sealed, context: string): string | undefined {
    const known = this.#keys.find(({ id }) => id === key);
    const bytes = Buffer.from(data, 'base64');
    if (!known || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', known.key, bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(end));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}

function nameOf(key: Buffer): string {
  return createHash('sha256').update('vaultplane keyring').update(key).digest('hex').slice(0, NAME_LENGTH);
}
