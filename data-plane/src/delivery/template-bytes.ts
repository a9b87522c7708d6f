import { randomBytes } from 'node:crypto';
import { TemplateError } from './template-error.ts';

/** Bytes that stand in a text, which a template can only make as a whole: each as a mark that no value can contain. */
export class PlacedBytes {
  readonly #mark = randomBytes(16).toString('hex');
  readonly #bytes: Uint8Array[] = [];

  /** @returns the mark */
  place(bytes: Uint8Array): string {
    return `\0${this.#mark}:${this.#bytes.push(bytes) - 1}\0`;
  }

  /** The text as UTF-8, with the bytes in place of their marks. */
  putInto(text: string): Buffer {
    if (this.#bytes.length === 0) return Buffer.from(text);
    const parts = text.split(new RegExp(`\0${this.#mark}:(\\d+)\0`));
    return Buffer.concat(
      parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : this.#bytes[Number(part)]!)),
    );
  }
}

/** A binary secret in a template. */
export class BinaryValue {
  readonly bytes: Buffer;
  readonly #placed: PlacedBytes | undefined;

  /** @param placed where its bytes go when it stands alone; its base64 is put where not given */
  constructor(bytes: Uint8Array, placed: PlacedBytes | undefined) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#placed = placed;
  }

  /** What other helpers work on. @throws TemplateError */
  get text(): string {
    return this.bytes.toString('base64');
  }

  /** What stands in the text that is made. */
  toString(): string {
    return this.#placed ? this.#placed.place(this.bytes) : this.text;
  }
}

/** What `decode` gives. */
export class DecodedValue extends BinaryValue {
  override get text(): string {
    try {
      // A byte order mark stays: what is made of it knows what it means.
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes);
    } catch {
      throw new TemplateError('bytes that are no text can only stand alone; use base64 for them');
    }
  }
}

/** The bytes of a base64 text, also base64url, in one line or several. @throws TemplateError */
export function decoded(text: string): Buffer {
  const plain = text.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(plain) || plain.replace(/=+$/, '').length % 4 === 1)
    throw new TemplateError('decode was given a value that is no base64');
  return Buffer.from(plain, 'base64');
}
