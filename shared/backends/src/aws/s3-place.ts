import { type PlaceUrl, printPlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { BackendContext } from '../backend.ts';
import { type Place, PlaceError } from '../blob-store/place.ts';

/** An object in S3, by the AWS credentials that this program finds as for its vaults. */
export class S3Place implements Place {
  readonly name: string;
  readonly #bucket: string;
  readonly #key: string;
  readonly #context: BackendContext;
  #objects: Promise<import('./s3-objects.ts').S3Objects> | undefined;

  constructor({ bucket, key, ...url }: Extract<PlaceUrl, { scheme: 's3' }>, context: BackendContext) {
    this.name = printPlaceUrl({ bucket, key, ...url });
    this.#bucket = bucket;
    this.#key = key;
    this.#context = context;
  }

  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await (await this.#open()).get(this.#bucket, this.#key, signal);
    } catch (error) {
      return this.#fail(error, signal);
    }
  }

  async write(document: Buffer, signal: AbortSignal): Promise<void> {
    try {
      await (await this.#open()).put(this.#bucket, this.#key, document, signal);
    } catch (error) {
      this.#fail(error, signal);
    }
  }

  stop(): void {
    this.#objects?.then(
      (objects) => objects.stop(),
      () => {},
    );
  }

  #open() {
    // The client is loaded only where there is something in S3.
    this.#objects ??= import('./s3-objects.ts').then(({ S3Objects }) => new S3Objects(this.#context));
    return this.#objects;
  }

  #fail(error: unknown, signal: AbortSignal): never {
    if (signal.aborted) throw new PlaceError(`${this.name}: no answer in time`);
    // It names the object itself.
    throw new PlaceError(errorMessage(error), { cause: error });
  }
}
