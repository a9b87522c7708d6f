import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './durable-file.ts';
import { BrokenSeal, headOf, readHead, type Seal } from './sealed-file.ts';

/*
 * A journal stands beside a sealed file that is too big to be written for every change. Its files are numbered: what a file
 * whose number the sealed file names, or a later one, holds came after the sealed file. Each is
 *   vaultplane KIND FORM
 *   {"key":…,"node":…,"salt":"random, hex"}
 * and then records: a length (4 bytes, big end first), so many bytes encrypted with AES-256-GCM, and the tag (16 bytes). The
 * key is the file's own, derived (HKDF-SHA-256) from the sealed file's key, the salt and both lines; the nonce counts the
 * records. So no record can be moved, nor a file be continued with records of another.
 */
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A file of a journal that can't be used. */
export interface BrokenJournal {
  path: string;
  reason: string;
}

interface JournalFile {
  path: string;
  key: Uint8Array;
  /** How many records it has, and up to where they are whole. */
  records: number;
  bytes: number;
}

/** A process's files of one journal. Nobody else may write there; calls must follow one another. */
export class SealedJournal {
  readonly #folder: string;
  readonly #name: string;
  readonly #seal: Seal;
  /** Of the file that is written next, or is being written. */
  #number = 1;
  #file: JournalFile | undefined;

  /** @param options.name its files are NAME-1, NAME-2 and so on */
  constructor({ folder, name, seal }: { folder: string; name: string; seal: Seal }) {
    this.#folder = folder;
    this.#name = name;
    this.#seal = seal;
  }

  /**
   * All that its files hold, the oldest first; the caller wipes it. What ends in the middle of a record was being written
   * when the process or the machine died, and is good up to there.
   */
  async read(from: number): Promise<{ records: Buffer[]; broken: BrokenJournal[] }> {
    const records: Buffer[] = [];
    const broken: BrokenJournal[] = [];
    for (const number of await this.#numbers()) {
      this.#number = Math.max(this.#number, number + 1);
      if (number < from) continue;
      const path = this.#pathOf(number);
      try {
        records.push(...recordsOf(this.#seal, await readFile(path)));
      } catch (error) {
        if (!(error instanceof BrokenSeal)) throw error;
        broken.push({ path, reason: error.message });
      }
    }
    this.#number = Math.max(this.#number, from);
    return { records, broken };
  }

  /** Adds a record, which is wiped, and returns when it is on the disk. @throws Error of the file system: it is not there */
  async append(plain: Buffer): Promise<void> {
    this.#file ??= await this.#begin();
    const file = this.#file;
    const nonce = nonceOf(file.records);
    const cipher = createCipheriv(CIPHER, file.key, nonce, { authTagLength: TAG_BYTES });
    const length = Buffer.alloc(4);
    length.writeUInt32BE(plain.byteLength);
    const record = Buffer.concat([length, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    plain.fill(0);
    try {
      await writeDurablyAt(await open(file.path, constants.O_WRONLY | constants.O_NOFOLLOW), record, file.bytes);
    } catch (error) {
      await this.#giveUp();
      throw error;
    }
    file.records++;
    file.bytes += record.byteLength;
  }

  /** What is added from now on goes to a file of another number, which this returns. */
  startNext(): number {
    this.#file = undefined;
    return ++this.#number;
  }

  /** Removes the files of lower numbers. @throws Error of the file system */
  async removeBefore(limit: number): Promise<void> {
    const old = (await this.#numbers()).filter((number) => number < limit);
    for (const number of old) await unlink(this.#pathOf(number));
    if (old.length > 0) await syncDirectory(this.#folder);
  }

  async #begin(): Promise<JournalFile> {
    const path = this.#pathOf(this.#number);
    const salt = randomBytes(32);
    const head = headOf(this.#seal, { salt: salt.toString('hex') });
    const handle = await open(path, 'wx', 0o600);
    try {
      await writeDurablyAt(handle, head, 0);
      await syncDirectory(this.#folder);
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    }
    return { path, key: keyOf(this.#seal, salt, head), records: 0, bytes: head.byteLength };
  }

  /** Half a record must not stand in the way of later ones, nor fill a full disk: they go to another file. */
  async #giveUp(): Promise<void> {
    const { path, records, bytes } = this.#file!;
    this.#file = undefined;
    this.#number++;
    await (records > 0 ? truncate(path, bytes) : unlink(path)).catch(() => {});
  }

  async #numbers(): Promise<number[]> {
    const names = await readdir(this.#folder);
    const ours = names
      .filter((name) => name.startsWith(`${this.#name}-`))
      .map((name) => name.slice(this.#name.length + 1));
    return ours
      .filter((digits) => /^[1-9]\d{0,14}$/.test(digits))
      .map(Number)
      .sort((a, b) => a - b);
  }

  #pathOf(number: number): string {
    return join(this.#folder, `${this.#name}-${number}`);
  }
}

/** Closes the file. */
async function writeDurablyAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      done += (await file.write(bytes, done, bytes.byteLength - done, position + done)).bytesWritten;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}

function recordsOf(seal: Seal, file: Buffer): Buffer[] {
  const { facts, end } = readHead(seal, file);
  const salt = Buffer.from(String(facts.salt), 'hex');
  if (salt.byteLength !== 32) throw new BrokenSeal('its header is damaged');
  const key = keyOf(seal, salt, file.subarray(0, end));
  const records: Buffer[] = [];
  for (let at = end; at + 4 <= file.byteLength; ) {
    const tagAt = at + 4 + file.readUInt32BE(at);
    if (tagAt + TAG_BYTES > file.byteLength) break;
    const decipher = createDecipheriv(CIPHER, key, nonceOf(records.length), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(file.subarray(tagAt, tagAt + TAG_BYTES));
    const plain = decipher.update(file.subarray(at + 4, tagAt));
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      break;
    }
    records.push(plain);
    at = tagAt + TAG_BYTES;
  }
  return records;
}

function keyOf(seal: Seal, salt: Buffer, head: Buffer): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', seal.key.key, salt, head, KEY_BYTES));
}

function nonceOf(record: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(record, NONCE_BYTES - 6, 6);
  return nonce;
}
