import { type CipherGCM, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SecretsKey } from '../crypto/secrets-key.ts';

/** What a sealed file is bound to: it opens for nothing else. */
export interface Seal {
  /** The file's kind and its form, such as `secrets.cache 1`. */
  kind: string;
  key: SecretsKey;
  /** Whose file it is. */
  nodeId: string;
}

/** A file that can't be opened, or holds something else than what was sealed. */
export class BrokenSeal extends Error {
  override readonly name = 'BrokenSeal';
}

/*
 * The file: two lines of text, then the nonce (12 bytes), the content encrypted with AES-256-GCM, and the tag (16 bytes).
 *   vaultplane KIND FORM
 *   {"key":"which key, as SecretsKey.id","node":"whose file"}
 * Both lines are authenticated with the content (they are the additional data), so that no file is taken for one of
 * another kind, form or node.
 */
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NEWLINE = 0x0a;

/** Seals content piece by piece, so that a big file need not be held as plain text, nor be encrypted in one go. */
export class Sealer {
  readonly #cipher: CipherGCM;
  readonly #chunks: Buffer[];

  constructor(seal: Seal) {
    const head = headOf(seal);
    // Random nonces: at one write a second it takes a century to come near the 2^32 that one key is good for.
    const nonce = randomBytes(NONCE_BYTES);
    this.#cipher = createCipheriv(CIPHER, seal.key.key, nonce, { authTagLength: TAG_BYTES });
    this.#cipher.setAAD(head);
    this.#chunks = [head, nonce];
  }

  /** Takes a piece of the content, and wipes it. */
  add(plain: Buffer): void {
    this.#chunks.push(this.#cipher.update(plain));
    plain.fill(0);
  }

  /** The whole file, in order. */
  finish(): Buffer[] {
    this.#cipher.final();
    return [...this.#chunks, this.#cipher.getAuthTag()];
  }
}

/**
 * The content of a sealed file, which the caller wipes. Nothing of it is given out before all of it is proved.
 *
 * @throws BrokenSeal that says what is wrong, as far as can be told
 */
export function unseal(seal: Seal, file: Buffer): Buffer {
  const headEnd = readHead(seal, file).end;
  const body = file.subarray(headEnd);
  if (body.byteLength < NONCE_BYTES + TAG_BYTES) throw new BrokenSeal('it ends too early');
  const nonce = body.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, seal.key.key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(file.subarray(0, headEnd));
  decipher.setAuthTag(body.subarray(-TAG_BYTES));
  const plain = decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plain.fill(0);
    throw new BrokenSeal('it is not as it was written (its authentication fails)');
  }
  return plain;
}

/**
 * What a sealed file says of itself in the clear. It is proved only with the content.
 *
 * @returns all of its second line, and where the content begins
 * @throws BrokenSeal where it is a file of another kind, form, key or node
 */
export function readHead(seal: Seal, file: Buffer): { facts: Record<string, unknown>; end: number } {
  const [magic, afterMagic] = lineAt(file, 0);
  const expected = magicOf(seal.kind);
  if (magic !== expected) {
    const [kind] = seal.kind.split(' ');
    const form = magic.startsWith(`vaultplane ${kind} `) ? magic.slice(`vaultplane ${kind} `.length) : undefined;
    throw new BrokenSeal(
      form !== undefined && /^\w{1,20}$/.test(form)
        ? `it has form ${form}, which this release does not read`
        : `it does not begin with "${expected}"`,
    );
  }
  const [line, headEnd] = lineAt(file, afterMagic);
  const facts = parseHead(line);
  const { key, node } = facts;
  if (key !== seal.key.id) throw new BrokenSeal('it is encrypted with another key than that of secrets_key_file');
  if (node !== seal.nodeId) throw new BrokenSeal('it is the file of another node');
  return { facts, end: headEnd };
}

/** The two lines that a sealed file begins with. @param more facts for the second line */
export function headOf({ kind, key, nodeId }: Seal, more: Record<string, unknown> = {}): Buffer {
  return Buffer.from(`${magicOf(kind)}\n${JSON.stringify({ key: key.id, node: nodeId, ...more })}\n`);
}

function magicOf(kind: string): string {
  return `vaultplane ${kind}`;
}

function parseHead(line: string): Record<string, unknown> {
  try {
    return (JSON.parse(line) ?? {}) as Record<string, unknown>;
  } catch {
    throw new BrokenSeal('its header is damaged');
  }
}

function lineAt(bytes: Buffer, start: number): [line: string, next: number] {
  // Both lines are short: what has no newline soon is something else.
  const end = bytes.subarray(0, start + 400).indexOf(NEWLINE, start);
  if (end < 0) throw new BrokenSeal(bytes.byteLength === 0 ? 'it is empty' : 'it ends too early');
  return [bytes.toString('utf8', start, end), end + 1];
}
