import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { printPlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import { LARGEST_DOCUMENT_BYTES } from '../blob-store/place.ts';
import { callAws } from './call.ts';
import { AwsConnections } from './connections.ts';
import type { CredentialStore } from './credential-store.ts';
import { configuredEndpoint } from './endpoint.ts';
import { localCredentials, localRegion } from './local-credentials.ts';

/** A whole object may take longer than a secret does. */
const DEADLINE_MS = 60_000;

/** Objects in S3, by the credentials that this machine has. */
export class S3Objects {
  readonly #context: BackendContext;
  readonly #connections: AwsConnections;
  readonly #credentials: CredentialStore;
  #client: Promise<{ client: S3Client; target: string }> | undefined;

  constructor(context: BackendContext) {
    this.#context = { ...context, deadlines: { ...context.deadlines, total: DEADLINE_MS } };
    this.#connections = new AwsConnections(this.#context);
    this.#credentials = localCredentials(this.#context, this.#connections);
  }

  /** Undefined where there is no such object. @throws BackendError */
  async get(bucket: string, key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#call(bucket, key, signal, async (client, abortSignal) => {
      try {
        const command = new GetObjectCommand({ Bucket: bucket, Key: key });
        const { Body: body } = await client.send(command, { abortSignal });
        return body && Buffer.from(await body.transformToByteArray());
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    });
  }

  /** @throws BackendError */
  async put(bucket: string, key: string, body: Buffer, signal: AbortSignal): Promise<void> {
    await this.#call(bucket, key, signal, (client, abortSignal) =>
      client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }), { abortSignal }),
    );
  }

  stop(): void {
    this.#connections.stop();
  }

  async #call<T>(
    bucket: string,
    key: string,
    signal: AbortSignal,
    send: (client: S3Client, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#client ??= this.#open();
    const { client, target } = await this.#client;
    const call = {
      subject: printPlaceUrl({ scheme: 's3', bucket, key }),
      target,
      credentials: this.#credentials,
      deadline: DEADLINE_MS,
    };
    return callAws({ operation: 'S3', ...call, signal }, (abortSignal) => send(client, abortSignal));
  }

  async #open(): Promise<{ client: S3Client; target: string }> {
    const { env, homeRegion } = this.#context;
    const region = (await localRegion(env))?.region ?? homeRegion ?? 'us-east-1';
    const endpoint = configuredEndpoint('S3', env);
    const client = new S3Client({
      region,
      // A bucket may be in another region than this machine.
      followRegionRedirects: true,
      // No name server knows buckets of an endpoint that stands in for AWS.
      ...(endpoint && { endpoint: endpoint.url, forcePathStyle: true }),
      credentials: this.#credentials.provider,
      requestHandler: this.#connections.objectHandler(LARGEST_DOCUMENT_BYTES),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      ...this.#connections.clock.clientOptions,
    });
    const at = endpoint ? ` at ${shownUrl(endpoint.url)} (${endpoint.from})` : '';
    return { client, target: `AWS S3 in ${shownName(region)}${at}` };
  }
}
