import { errorMessage } from '@vaultplane/platform/errors.ts';

/** A place where one document is kept: a file, a URL, an object. */
export interface Place {
  /** For people and logs; nothing secret that its URL may hold. */
  readonly name: string;
  /**
   * The document; undefined where there is none.
   *
   * @throws PlaceError
   */
  read(signal: AbortSignal): Promise<Buffer | undefined>;
  /**
   * Puts another document in its place: a reader has the old one whole or the new one.
   *
   * @throws PlaceError
   */
  write(document: Buffer, signal: AbortSignal): Promise<void>;
  stop(): void;
}

/** What a place can't do, in one line that holds no credential. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError';
}

/** A document is no larger than this. */
export const LARGEST_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** @throws PlaceError */
export function placeError(name: string, error: unknown): never {
  if (error instanceof PlaceError) throw error;
  const { code } = error as NodeJS.ErrnoException;
  throw new PlaceError(`${name}: ${code ?? errorMessage(error)}`, { cause: error });
}

export function tooLarge(name: string): PlaceError {
  return new PlaceError(`${name}: is larger than ${LARGEST_DOCUMENT_BYTES} bytes`);
}
