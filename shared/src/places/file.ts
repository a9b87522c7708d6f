import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeDurably } from '../durable-file.ts';
import { followOwnLinks } from '../own-links.ts';
import { LARGEST_DOCUMENT_BYTES, type Place, placeError, tooLarge } from './place.ts';
import { type PlaceUrl, printPlaceUrl } from './place-url.ts';

/** A file, on a disk that others may share. */
export class FilePlace implements Place {
  readonly name: string;
  readonly #path: string;

  constructor(url: Extract<PlaceUrl, { scheme: 'file' }>) {
    this.name = printPlaceUrl(url);
    this.#path = url.path;
  }

  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      if ((await stat(this.#path)).size > LARGEST_DOCUMENT_BYTES) throw tooLarge(this.name);
      return await readFile(this.#path, { signal });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      return placeError(this.name, error);
    }
  }

  async write(document: Buffer): Promise<void> {
    try {
      // Other users of this machine may read it: it holds nothing secret, and data planes may be such.
      const folder = await followOwnLinks(dirname(this.#path));
      await writeDurably(join(folder, basename(this.#path)), document, { mode: 0o644 });
    } catch (error) {
      placeError(this.name, error);
    }
  }

  stop(): void {}
}
