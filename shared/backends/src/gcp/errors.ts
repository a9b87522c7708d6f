import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { jsonOf } from '@vaultplane/platform/text/json-object.ts';
import { unreached } from '../http/connection-problem.ts';
import type { HttpAnswer } from '../http/http-exchange.ts';
import { retryAfterOf } from '../http/retry-after.ts';

/** There was no answer: the next secret would get none either. */
export class NoAnswer extends BackendError {
  constructor(message: string) {
    super('unavailable', message);
  }
}

/** What a Google API says of an error (AIP-193). */
interface GoogleFailure {
  /** The canonical code, such as NOT_FOUND. */
  status: string;
  message: string;
  /** For programs, such as IAM_PERMISSION_DENIED; empty where there is none. */
  reason: string;
}

/** What an answer that is none of success means. Google's sentence is not passed on: only what is known to be harmless. */
export function fromGoogleAnswer(answer: HttpAnswer, subject: string, target: string): BackendError {
  const { status: httpStatus } = answer;
  const failure = failureOf(answer);
  const upstreamCode = failure?.status;
  const known = { ...(upstreamCode !== undefined && { upstreamCode }) };
  const retry = retryAfterOf(answer.headers);
  if (httpStatus === 429 || upstreamCode === 'RESOURCE_EXHAUSTED') {
    const text = `${subject}: ${target} throttles calls (${upstreamCode ?? 'HTTP 429'})`;
    return new BackendError('unavailable', text, { throttled: true, ...known, ...retry });
  }
  if (!failure) {
    const text = `${subject}: ${target} answered with something that is not Google's protocol (HTTP ${httpStatus})`;
    return new BackendError('unavailable', text, { ...retry });
  }
  switch (failure.status) {
    case 'NOT_FOUND':
    // A name or a version that Google takes for none: there can be no such secret.
    case 'INVALID_ARGUMENT':
      return new BackendError('not_found', `${subject}: not found (${failure.status})`, known);
    case 'FAILED_PRECONDITION':
      return fromPrecondition(failure, subject, target);
    case 'PERMISSION_DENIED':
      return new BackendError('access_denied', `${subject}: access denied${denied(failure)}`, known);
    case 'UNAUTHENTICATED':
      return new BackendError(
        'unavailable',
        `${subject}: ${target} refuses the credentials (UNAUTHENTICATED)${reasonIn(failure)}`,
        { credentialsRefused: true },
      );
    default:
      return new BackendError(
        'unavailable',
        `${subject}: ${target} failed (${failure.status}, HTTP ${httpStatus})${reasonIn(failure)}`,
        { ...known, ...retry },
      );
  }
}

/** A version that is there and gives no value: to whoever asks it is gone, unless it is its key that does not open it. */
function fromPrecondition({ status, message }: GoogleFailure, subject: string, target: string): BackendError {
  const state = /is in (DISABLED|DESTROYED) state/.exec(message)?.[1];
  if (state !== undefined) {
    const text = `${subject}: not found (the version is ${state.toLowerCase()})`;
    return new BackendError('not_found', text, { upstreamCode: status });
  }
  if (/\bKMS\b/.test(message)) {
    const state = /\b(disabled|destroyed|scheduled for destruction|not enabled)\b/i.exec(message)?.[1]?.toLowerCase();
    const why = state === undefined ? 'does not open it' : `is ${state}`;
    const text =
      `${subject}: access denied (its Cloud KMS key ${why}); look at the key's state, and at ` +
      "roles/cloudkms.cryptoKeyEncrypterDecrypter of Secret Manager's service agent";
    return new BackendError('access_denied', text, { upstreamCode: status });
  }
  return new BackendError('unavailable', `${subject}: ${target} failed (${status})`, { upstreamCode: status });
}

/** What a reason means to whoever has to mend it. Source: google.api.ErrorReason. */
const REASONS: Readonly<Record<string, string>> = {
  SERVICE_DISABLED: 'the Secret Manager API is not enabled in the project',
  BILLING_DISABLED: 'the project has no billing',
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: "the machine's access scopes have no cloud-platform",
  ACCESS_TOKEN_EXPIRED: 'the access token has expired',
  ACCOUNT_STATE_INVALID: 'the service account is disabled or deleted',
  CONSUMER_INVALID: 'there is no such project, or it is deleted',
  CONSUMER_SUSPENDED: 'the project is suspended',
  USER_PROJECT_DENIED: 'the quota project is not open to these credentials',
  SECURITY_POLICY_VIOLATED: 'a VPC Service Controls perimeter forbids it',
  ORG_RESTRICTION_VIOLATION: 'an organization restriction forbids it',
};

/** Empty where Google gave no reason; an unknown one is shown by its name. */
function reasonIn({ reason }: GoogleFailure): string {
  if (reason === '' || reason === 'IAM_PERMISSION_DENIED') return '';
  return `: ${REASONS[reason] ?? reason}`;
}

function denied(failure: GoogleFailure): string {
  const { message } = failure;
  const reason = reasonIn(failure);
  if (reason !== '') return reason;
  const permission = /Permission '(secretmanager\.[a-zA-Z.]{1,60})' denied/.exec(message)?.[1];
  return permission === undefined ? '' : `: the service account has no ${permission}`;
}

/** Undefined for what is no error of a Google API, as a proxy's page. */
function failureOf(answer: HttpAnswer): GoogleFailure | undefined {
  const { error } = (jsonOf(answer.body) ?? {}) as { error?: Record<string, unknown> };
  if (typeof error !== 'object' || error === null) return undefined;
  const { status, message, details } = error;
  if (typeof status !== 'string' || !/^[A-Z][A-Z_]{1,39}$/.test(status)) return undefined;
  const infos = Array.isArray(details) ? (details as Array<{ reason?: unknown } | null>) : [];
  const reason = infos.find((info) => typeof info?.reason === 'string')?.reason;
  return {
    status,
    message: typeof message === 'string' ? message : '',
    reason: typeof reason === 'string' && /^[A-Z][A-Z0-9_]{2,62}$/.test(reason) ? reason : '',
  };
}

/** What a thrown error means; of its own words only the system's code is shown. */
export function fromConnection(error: unknown, subject: string, target: string): BackendError {
  if (error instanceof BackendError) return error;
  return new NoAnswer(`${subject}: ${noAnswer(error, target)}`);
}

/** Why nothing came from `target`. */
export function noAnswer(error: unknown, target: string): string {
  return unreached(error, target, 'ssl_trusted_certificate says whom to trust');
}
