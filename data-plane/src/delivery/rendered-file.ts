import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeDurably } from '@vaultplane/shared/durable-file.ts';
import { StartError } from '@vaultplane/shared/errors.ts';
import { followOwnLinks, inHeldFolder } from '@vaultplane/shared/own-links.ts';
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
      return await inHeldFolder(dirname(path), (folder) => this.#writeAt(join(folder, basename(path)), text));
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError(fileError('', this.path, "can't be written", error));
    }
  }

  async #writeAt(path: string, text: string): Promise<boolean> {
    if (await this.#isAlready(path, text)) return false;
    return writeDurably(path, text, { mode: this.#mode, owner: this.#owner });
  }

  async #isAlready(path: string, text: string): Promise<boolean> {
    let file: FileHandle | undefined;
    try {
      // What was put there since, a link or a pipe, is not followed and not waited for.
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const found = await file.stat();
      const { mode, uid, gid } = found;
      const owner = this.#owner;
      if (!found.isFile() || (mode & 0o7777) !== this.#mode) return false;
      if (owner && ((owner.uid !== -1 && owner.uid !== uid) || (owner.gid !== -1 && owner.gid !== gid))) return false;
      return (await file.readFile('utf8')) === text;
    } catch {
      return false;
    } finally {
      await file?.close();
    }
  }
}
