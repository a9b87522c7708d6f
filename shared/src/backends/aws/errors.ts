import { BackendError } from '../backend.ts';

/** The AWS credentials were refused, or have expired: others may do. */
export class CredentialsRefused extends BackendError {
  constructor(message: string) {
    super('unavailable', message);
  }
}

/** The endpoint does not know the operation, as one that stands in for AWS may not. */
export class OperationUnknown extends BackendError {
  constructor(message: string) {
    super('unavailable', message);
  }
}

const NOT_FOUND = new Set([
  'ResourceNotFoundException',
  // Scheduled for deletion: AWS gives no value any more, so to whoever asks the secret is gone.
  'InvalidRequestException',
  // A name or version id that AWS takes for none: there can be no such secret.
  'InvalidParameterException',
  'ValidationException',
]);
const DENIED = new Set([
  'AccessDeniedException',
  'AccessDenied',
  // The secret is there, and its KMS key does not open it.
  'DecryptionFailure',
]);
const THROTTLED = new Set([
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'RequestThrottled',
  'RequestThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'LimitExceededException',
  'SlowDown',
]);
const OPERATION_UNKNOWN = new Set(['UnknownOperationException', 'UnsupportedOperation', 'NotImplemented']);
const CREDENTIALS_REFUSED = new Set([
  'ExpiredTokenException',
  'ExpiredToken',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidAccessKeyId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'RequestExpired',
]);

interface AwsLikeError {
  name?: unknown;
  code?: unknown;
  message?: unknown;
  $metadata?: { httpStatusCode?: unknown };
  $response?: unknown;
}

/** Errors of AWS by name, as an exception or as a partial error of BatchGetSecretValue. */
export function fromAwsCode(code: string, status: number | undefined, subject: string, message = ''): BackendError {
  const upstreamCode = code;
  if (NOT_FOUND.has(code)) return new BackendError('not_found', `${subject}: not found (${code})`, { upstreamCode });
  if (DENIED.has(code)) {
    return new BackendError('access_denied', `${subject}: access denied${denied(message)}`, { upstreamCode });
  }
  if (THROTTLED.has(code) || status === 429) {
    return new BackendError('unavailable', `${subject}: AWS throttles calls (${named(code, status)})`, {
      throttled: true,
    });
  }
  if (CREDENTIALS_REFUSED.has(code)) {
    return new CredentialsRefused(`${subject}: AWS refuses the credentials (${code})`);
  }
  if (OPERATION_UNKNOWN.has(code) || status === 501) {
    return new OperationUnknown(`${subject}: the endpoint does not know the operation (${named(code, status)})`);
  }
  return new BackendError('unavailable', `${subject}: AWS failed (${named(code, status)})`);
}

/**
 * What an exception of the AWS SDK means. Its own message is not passed on: a parser's quotes what it could not read,
 * which may be a secret, and a signature's quotes the request, which holds a session token.
 */
export function fromAwsException(error: unknown, subject: string, target: string): BackendError {
  if (error instanceof BackendError) return error;
  const { name, code, message, $metadata, $response } = (error ?? {}) as AwsLikeError;
  const status = typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : undefined;
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) {
    const hint = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY/.test(code)
      ? '; ssl_trusted_certificate says whom to trust'
      : '';
    return new BackendError('unavailable', `${subject}: ${target} can't be reached (${code}${hint})`);
  }
  if (name === 'TimeoutError') return new BackendError('unavailable', `${subject}: ${target} did not answer in time`);
  if (name === 'SyntaxError' || ($response !== undefined && status === undefined)) {
    return new BackendError('unavailable', `${subject}: ${target} answered with something that is not AWS's protocol`);
  }
  return fromAwsCode(typeof name === 'string' ? name : '', status, subject, typeof message === 'string' ? message : '');
}

/** Who was denied what, out of AWS's message; nothing else of it. */
function denied(message: string): string {
  const who = /User: (arn:[\w:+=,.@/-]{1,300})/.exec(message)?.[1];
  const what = /not authorized to perform: (\w+:\w+)/.exec(message)?.[1];
  return who && what ? `: ${who} may not ${what}` : '';
}

/** An error's name is shown only where it looks like one. */
function named(code: string, status: number | undefined): string {
  const name = /^[A-Z][A-Za-z]{2,60}$/.test(code) && code !== 'Error' ? code : 'an unknown error';
  return status === undefined ? name : `${name}, HTTP ${status}`;
}
