import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type AwsService, credentialError, requestTimeTooSkewed } from './aws-error.ts';

/** A request exactly as it came off the wire: Signature Version 4 covers the bytes, not their meaning. */
export type ReceivedRequest = {
  method: string;
  /** Path as sent, still percent-encoded, without the query. */
  path: string;
  /** Query as sent, without the question mark. */
  query: string;
  /** Header name and value in turn, as node:http gives `rawHeaders`. */
  rawHeaders: string[];
  body: Buffer;
};

/** What a request says about its own signature; nothing of it is proven until `checkSignature`. */
export type SignatureClaim = {
  accessKeyId: string;
  region: string;
  service: string;
  /** yyyymmdd of the credential scope. */
  day: string;
  /** yyyymmddThhmmssZ of X-Amz-Date. */
  timestamp: string;
  sessionToken: string | null;
  signedHeaders: string[];
  signature: string;
  /** Seconds a presigned URL is good for; null when the signature is in the Authorization header. */
  presignedSeconds: number | null;
};

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SCOPE = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/;
/** How far the caller's clock may be off, milliseconds: AWS allows a quarter of an hour. */
export const CLOCK_SKEW_MS = 15 * 60_000;

export function headerValues(request: ReceivedRequest, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() === name) values.push(request.rawHeaders[i + 1]!);
  }
  return values;
}

/**
 * Reads the claim from the Authorization header or, for a presigned URL, from the query.
 * Returns null for an unsigned request; throws the service's "incomplete signature" for a malformed one.
 */
export function readSignature(request: ReceivedRequest, service: AwsService): SignatureClaim | null {
  const authorization = headerValues(request, 'authorization')[0];
  const query = new URLSearchParams(request.query);
  if (authorization === undefined && query.get('X-Amz-Algorithm') === null) return null;
  const incomplete = (what: string) => credentialError(service, 'incomplete', what);

  let credential: string | null | undefined;
  let signedHeaders: string | null | undefined;
  let signature: string | null | undefined;
  let timestamp: string | null | undefined;
  let sessionToken: string | null;
  let presignedSeconds: number | null = null;
  if (authorization !== undefined) {
    if (!authorization.startsWith(`${ALGORITHM} `)) {
      throw incomplete(`Unsupported AWS 'algorithm': '${authorization.split(' ')[0]}'`);
    }
    const parts = new Map(
      authorization
        .slice(ALGORITHM.length + 1)
        .split(',')
        .map((part) => part.trim().split(/=(.*)/s, 2) as [string, string]),
    );
    credential = parts.get('Credential');
    signedHeaders = parts.get('SignedHeaders');
    signature = parts.get('Signature');
    timestamp = headerValues(request, 'x-amz-date')[0];
    sessionToken = headerValues(request, 'x-amz-security-token')[0] ?? null;
  } else {
    if (query.get('X-Amz-Algorithm') !== ALGORITHM) throw incomplete('Unsupported X-Amz-Algorithm');
    credential = query.get('X-Amz-Credential');
    signedHeaders = query.get('X-Amz-SignedHeaders');
    signature = query.get('X-Amz-Signature');
    timestamp = query.get('X-Amz-Date');
    sessionToken = query.get('X-Amz-Security-Token');
    presignedSeconds = Number(query.get('X-Amz-Expires') ?? Number.NaN);
    if (!(presignedSeconds >= 1 && presignedSeconds <= 604_800)) throw incomplete('X-Amz-Expires must be 1 to 604800');
  }
  if (!credential) throw incomplete("Authorization header requires 'Credential' parameter.");
  if (!signature) throw incomplete("Authorization header requires 'Signature' parameter.");
  if (!signedHeaders) throw incomplete("Authorization header requires 'SignedHeaders' parameter.");
  if (!timestamp || !/^\d{8}T\d{6}Z$/.test(timestamp)) {
    throw incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  const scope = SCOPE.exec(credential);
  if (scope === null) throw incomplete('Credential must have exactly 5 slash-delimited elements.');
  const [, accessKeyId, day, region, scopedService] = scope as unknown as [string, string, string, string, string];
  return {
    accessKeyId,
    day,
    region,
    service: scopedService,
    timestamp,
    sessionToken,
    signedHeaders: signedHeaders.split(';'),
    signature,
    presignedSeconds,
  };
}

/**
 * Recomputes the signature (AWS General Reference, "Signature Version 4 signing process") and throws the service's
 * error when it differs, when it is for another service, or when its time is more than 15 minutes off `now` (ms).
 */
export function checkSignature(
  request: ReceivedRequest,
  claim: SignatureClaim,
  secretAccessKey: string,
  service: AwsService,
  now: number,
): void {
  const wrong = (message?: string) => credentialError(service, 'signature', message);
  if (claim.service !== service) throw wrong(`Credential should be scoped to correct service: '${service}'. `);
  if (!claim.timestamp.startsWith(claim.day)) {
    throw wrong('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP');
  }
  checkTime(claim, service, now, wrong);
  if (!claim.signedHeaders.includes('host')) throw wrong("'Host' must be a 'SignedHeader' in the AWS Authorization.");

  const scope = `${claim.day}/${claim.region}/${claim.service}/aws4_request`;
  const toSign = [ALGORITHM, claim.timestamp, scope, sha256(canonicalRequest(request, claim, service, wrong))].join(
    '\n',
  );
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of [claim.day, claim.region, claim.service, 'aws4_request']) key = hmac(key, part);
  const expected = hmac(key, toSign);
  const given = /^[0-9a-f]{64}$/.test(claim.signature) ? Buffer.from(claim.signature, 'hex') : Buffer.alloc(32);
  if (!timingSafeEqual(expected, given)) throw wrong();
}

function checkTime(claim: SignatureClaim, service: AwsService, now: number, wrong: (message: string) => Error): void {
  const signedAt = Date.parse(
    claim.timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
  const lifetime = claim.presignedSeconds === null ? CLOCK_SKEW_MS : claim.presignedSeconds * 1000;
  if (signedAt + lifetime < now) {
    const limit = compactTime(now - lifetime);
    if (service === 's3') throw requestTimeTooSkewed();
    throw wrong(
      `Signature expired: ${claim.timestamp} is now earlier than ${limit} (${compactTime(now)} - ${lifetime / 60_000} min.)`,
    );
  }
  if (signedAt > now + CLOCK_SKEW_MS) {
    const limit = compactTime(now + CLOCK_SKEW_MS);
    if (service === 's3') throw requestTimeTooSkewed();
    throw wrong(
      `Signature not yet current: ${claim.timestamp} is still later than ${limit} (${compactTime(now)} + 15 min.)`,
    );
  }
}

function canonicalRequest(
  request: ReceivedRequest,
  claim: SignatureClaim,
  service: AwsService,
  wrong: (message: string) => Error,
): string {
  const headers = claim.signedHeaders.map((name) => {
    const values = headerValues(request, name);
    if (values.length === 0) throw wrong(`The signed header '${name}' is not in the request.`);
    return `${name}:${values.map((value) => value.trim().replace(/\s+/g, ' ')).join(',')}\n`;
  });
  return [
    request.method,
    service === 's3' ? request.path : canonicalPath(request.path),
    canonicalQuery(request.query),
    headers.join(''),
    claim.signedHeaders.join(';'),
    service === 's3' ? payloadHash(request, wrong) : sha256(request.body),
  ].join('\n');
}

/** S3 signs what the request says its body's hash is, and then sees whether that is so. */
function payloadHash(request: ReceivedRequest, wrong: (message: string) => Error): string {
  const claimed = headerValues(request, 'x-amz-content-sha256')[0] ?? 'UNSIGNED-PAYLOAD';
  if (claimed !== 'UNSIGNED-PAYLOAD' && claimed !== sha256(request.body)) {
    throw wrong("The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  return claimed;
}

/** Dot segments and doubled slashes go, then what was sent is encoded once more: every service but S3 signs so. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') segments.pop();
    else segments.push(encode(segment));
  }
  const joined = segments.join('/');
  return joined === '' ? '/' : `/${joined}${path.endsWith('/') ? '/' : ''}`;
}

function canonicalQuery(query: string): string {
  return (
    [...new URLSearchParams(query.replaceAll('+', '%2B'))]
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => [encode(name), encode(value)] as const)
      // By name and then value: sorted as whole pairs, `a-b=` would come before `a=`.
      .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
      .map((pair) => pair.join('='))
      .join('&')
  );
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const compactTime = (ms: number): string => `${new Date(ms).toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`;
