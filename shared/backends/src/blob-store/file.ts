import { type PlaceUrl, printPlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { followOwnLinks } from '@vaultplane/platform/files/own-links.ts';
import { loadRegularBytes } from '@vaultplane/platform/files/regular-file.ts';
import { LARGEST_DOCUMENT_BYTES, type Place, placeError } from './place.ts';

/** A file, on a disk that others may share. */
export class FilePlace implements Place {
  readonly name: string;
  readonly #path: string;

  constructor(url: Extract<PlaceUrl, { scheme: 'file' }>) {
    this.name = printPlaceUrl(url);
    this.#path = url.path;
  }

  async read(): Promise<Buffer | undefined> {
    try {
      return await loadRegularBytes(this.#path, LARGEST_DOCUMENT_BYTES);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      return placeError(this.name, error);
    }
  }

  async write(document: Buffer): Promise<void> {
    try {
      // Other users of this machine may read it: it holds nothing secret, and data planes may be such.
      await writeDurably(await followOwnLinks(this.#path), document, { mode: 0o644 });
    } catch (error) {
      placeError(this.name, error);
    }
  }

  stop(): void {}
}
