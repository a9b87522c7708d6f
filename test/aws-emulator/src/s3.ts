import { createHash } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import type { Answer } from './exchange.ts';
import { accessDenied, type Caller, type Iam } from './iam.ts';
import type { ReceivedRequest } from './signature.ts';
import { xmlOf } from './xml.ts';

/** A request to S3 in path style: the bucket is the first segment of the path, the object's key the rest. */
export type S3Request = { operation: string; bucket: string; key: string };

type StoredObject = { body: Buffer; etag: string; at: number };

/** As much of S3 as a configuration's export needs: CreateBucket, PutObject and GetObject. */
export class S3 {
  readonly #iam: Iam;
  readonly #clock: () => number;
  readonly #buckets = new Map<string, Map<string, StoredObject>>();

  constructor(iam: Iam, clock: () => number) {
    this.#iam = iam;
    this.#clock = clock;
  }

  static requestOf({ method, path }: ReceivedRequest): S3Request {
    const [, bucket = '', ...key] = path.split('/');
    const request = { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key.join('/')) };
    if (request.key === '') return { ...request, operation: method === 'PUT' ? 'CreateBucket' : `${method} bucket` };
    return { ...request, operation: { PUT: 'PutObject', GET: 'GetObject' }[method] ?? `${method} object` };
  }

  addBucket(bucket: string): void {
    if (!this.#buckets.has(bucket)) this.#buckets.set(bucket, new Map());
  }

  /** Null where there is none. */
  object(bucket: string, key: string): Buffer | null {
    return this.#buckets.get(bucket)?.get(key)?.body ?? null;
  }

  putObject(bucket: string, key: string, body: Buffer): StoredObject {
    this.addBucket(bucket);
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    const stored = { body, etag, at: Math.floor(this.#clock() / 1000) * 1000 };
    this.#buckets.get(bucket)!.set(key, stored);
    return stored;
  }

  /** @throws AwsError */
  carryOut({ operation, bucket, key }: S3Request, caller: Caller, region: string, body: Buffer): Answer {
    if (!['CreateBucket', 'PutObject', 'GetObject'].includes(operation)) {
      throw new AwsError(
        'MethodNotAllowed',
        `The emulator has of S3 only CreateBucket, PutObject and GetObject, by path-style addresses, not ${operation}`,
        405,
      );
    }
    const arn = key === '' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`;
    const action = `s3:${operation}`;
    const refusal = this.#iam.refusal(caller, action, { name: `${bucket}/${key}`, arn }, region);
    if (refusal !== null) throw new AwsError('AccessDenied', accessDenied(caller, action, arn, refusal).message, 403);
    if (operation === 'CreateBucket') {
      this.addBucket(bucket);
      return answer(200, { location: `/${bucket}` });
    }
    const objects = this.#buckets.get(bucket);
    if (!objects) throw new AwsError('NoSuchBucket', 'The specified bucket does not exist', 404);
    if (operation === 'PutObject') return answer(200, { etag: this.putObject(bucket, key, body).etag });
    const stored = objects.get(key);
    if (!stored) throw new AwsError('NoSuchKey', 'The specified key does not exist.', 404);
    const headers = { etag: stored.etag, 'last-modified': new Date(stored.at).toUTCString() };
    return answer(200, { ...headers, 'content-type': 'application/octet-stream' }, stored.body);
  }
}

function answer(status: number, headers: Record<string, string>, body: Buffer | string = ''): Answer {
  return { status, headers, body, errorCode: null };
}

/** An error in S3's own form. */
export function refuseS3(error: AwsError): Answer {
  const body = xmlOf({ Error: { Code: error.code, Message: error.message } });
  const headers = { 'content-type': 'application/xml' };
  return {
    status: error.status,
    headers,
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
    errorCode: error.code,
  };
}
