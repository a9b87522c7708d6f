import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { codeOf, unreached } from '../http/connection-problem.ts';
import { awsReason, deniedIn } from './reason.ts';

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
  // AWS gives no value as things are: the secret is marked for deletion, or another account's under its default key. The
  // message says which.
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
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'KMSOptInRequired',
]);
const TRUST_SETTING = 'ssl_trusted_certificate says whom to trust';
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
  'KMSThrottlingException',
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
  'RequestTimeTooSkewed',
  'RequestInTheFuture',
]);

interface AwsLikeError {
  name?: unknown;
  message?: unknown;
  $metadata?: { httpStatusCode?: unknown };
  $response?: unknown;
}

/** Errors of AWS by name, as an exception or as a partial error of BatchGetSecretValue. */
export function fromAwsCode(code: string, status: number | undefined, subject: string, message = ''): BackendError {
  const upstreamCode = code;
  const { words, look } = awsReason(code, message);
  const said = `${words && `: ${words}`})${look && `; ${look}`}`;
  if (NOT_FOUND.has(code)) {
    return new BackendError('not_found', `${subject}: not found (${code}${said}`, { upstreamCode });
  }
  if (DENIED.has(code)) {
    const denied = deniedIn(message);
    const text = `${subject}: access denied${denied && `: ${denied}`} (${code}${said}`;
    return new BackendError('access_denied', text, { upstreamCode });
  }
  if (CREDENTIALS_REFUSED.has(code)) {
    return new CredentialsRefused(`${subject}: AWS refuses the credentials (${code}${said}`);
  }
  const why = `(${named(code, status)}${said}`;
  if (THROTTLED.has(code) || status === 429) {
    return new BackendError('unavailable', `${subject}: AWS throttles calls ${why}`, { throttled: true });
  }
  if (OPERATION_UNKNOWN.has(code) || status === 501) {
    return new OperationUnknown(`${subject}: the endpoint does not know the operation ${why}`);
  }
  return new BackendError('unavailable', `${subject}: AWS failed ${why}`);
}

/**
 * What an exception of the AWS SDK means. Its own message is not passed on: a parser's quotes what it could not read,
 * which may be a secret, and a signature's quotes the request, which holds a session token.
 */
export function fromAwsException(error: unknown, subject: string, target: string): BackendError {
  if (error instanceof BackendError) return error;
  const { name, message, $metadata, $response } = (error ?? {}) as AwsLikeError;
  const status = typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : undefined;
  if (codeOf(error) !== undefined) {
    return new BackendError('unavailable', `${subject}: ${unreached(error, target, TRUST_SETTING)}`);
  }
  if (name === 'TimeoutError') return new BackendError('unavailable', `${subject}: ${target} did not answer in time`);
  if (name === 'SyntaxError' || ($response !== undefined && status === undefined)) {
    return new BackendError('unavailable', `${subject}: ${target} answered with something that is not AWS's protocol`);
  }
  return fromAwsCode(typeof name === 'string' ? name : '', status, subject, typeof message === 'string' ? message : '');
}

/** An error's name is shown only where it looks like one. */
function named(code: string, status: number | undefined): string {
  const name = /^[A-Z][A-Za-z]{2,60}$/.test(code) && code !== 'Error' ? code : 'an unknown error';
  return status === undefined ? name : `${name}, HTTP ${status}`;
}
