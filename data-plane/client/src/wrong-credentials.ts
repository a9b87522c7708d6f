/** What databases, brokers and services say to a wrong or outdated password, in the `code` or `name` of an error. */
const CODES: ReadonlySet<unknown> = new Set([
  // Postgres (SQLSTATE), MySQL and MariaDB, SQL Server, Oracle
  '28P01',
  '28000',
  'ER_ACCESS_DENIED_ERROR',
  'ER_ACCESS_DENIED_NO_PASSWORD_ERROR',
  'ELOGIN',
  'ORA-01017',
  // MongoDB, Redis (its replies begin with these), Kafka, LDAP, SMTP
  'AuthenticationFailed',
  'WRONGPASS',
  'NOAUTH',
  'KafkaJSSASLAuthenticationError',
  'InvalidCredentialsError',
  'EAUTH',
  // AWS
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AuthFailure',
]);
const MESSAGES = /^(WRONGPASS|NOAUTH|ORA-01017)\b|ACCESS[-_]REFUSED|password authentication failed/;
const STATUSES: readonly unknown[] = [401, 403];
/** An error wraps another only so deep. */
const DEEPEST = 5;

/**
 * Whether a failure looks as if a secret was wrong or outdated: HTTP 401 or 403 (also as a `Response`), or what the usual
 * databases, brokers and services say to a wrong password; in the error itself, its causes, or what it gathers.
 */
export function looksLikeWrongCredentials(failure: unknown, depth = 0): boolean {
  if (typeof failure !== 'object' || failure === null || depth > DEEPEST) return false;
  const { code, codeName, name, message, status, statusCode, response, $metadata, cause, errors, details } =
    failure as Record<string, unknown>;
  if (CODES.has(code) || CODES.has(codeName) || CODES.has(name)) return true;
  // gRPC's UNAUTHENTICATED; its errors have `details`, and others may mean anything by the number.
  if (code === 16 && typeof details === 'string') return true;
  const statuses = [status, statusCode, member(response, 'status'), member(response, 'statusCode')];
  if ([...statuses, member($metadata, 'httpStatusCode')].some((number) => STATUSES.includes(number))) return true;
  if (typeof message === 'string' && MESSAGES.test(message)) return true;
  const within = Array.isArray(errors) ? [cause, ...errors.slice(0, 20)] : [cause];
  return within.some((error) => looksLikeWrongCredentials(error, depth + 1));
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
