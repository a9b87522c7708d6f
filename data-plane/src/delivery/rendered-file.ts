import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory } from '@vaultplane/shared/durable-file.ts';
import { StartError } from '@vaultplane/shared/errors.ts';
import { followOwnLinks } from '@vaultplane/shared/own-links.ts';
import { fileError } from '@vaultplane/shared/shown-text.ts';
import type { FileOwner } from './file-owner.ts';

/** A file that is made from secrets: whoever reads it finds the old text whole or the new one, never with a wider mode. */
export class RenderedFile {
  readonly path: string;
  readonly #mode: number;
  readonly #owner: FileOwner | undefined;

  constructor(path: string, options: { mode: number; owner?: FileOwner | undefined }) {
    this.path = path;
    this.#mode = options.mode;
    this.#owner = options.owner;
  }

  /** @returns whether anything had to be changed @throws StartError that names the file, and none of the text */
  async write(text: string): Promise<boolean> {
    try {
      // A link stays, and what it leads to is replaced.
      const path = await followOwnLinks(this.path);
      if (await this.#isAlready(path, text)) return false;
      await this.#replace(path, text);
      return true;
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError(fileError('', this.path, "can't be written", error));
    }
  }

  async #isAlready(path: string, text: string): Promise<boolean> {
    try {
      const { mode, uid, gid } = await stat(path);
      const owner = this.#owner;
      if ((mode & 0o7777) !== this.#mode) return false;
      if (owner && ((owner.uid !== -1 && owner.uid !== uid) || (owner.gid !== -1 && owner.gid !== gid))) return false;
      return (await readFile(path, 'utf8')) === text;
    } catch {
      return false;
    }
  }

  async #replace(path: string, text: string): Promise<void> {
    const directory = dirname(path);
    // In the same folder, for the rename; a name that nobody else can have put a link at.
    const beside = join(directory, `.${basename(path)}.${randomBytes(8).toString('hex')}`);
    let file: FileHandle | undefined;
    try {
      file = await open(beside, 'wx', 0o600);
      if (this.#owner) await file.chown(this.#owner.uid, this.#owner.gid);
      await file.chmod(this.#mode);
      await file.writeFile(text);
      await file.sync();
      await file.close();
      file = undefined;
      await rename(beside, path);
    } catch (error) {
      await file?.close();
      await unlink(beside).catch(() => {});
      throw error;
    }
    await syncDirectory(directory);
  }
}
