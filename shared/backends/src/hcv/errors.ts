import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { codeOf, unreached } from '../http/connection-problem.ts';

/** What a server has answered. `body` is undefined where it was no JSON object. */
export interface Answer {
  status: number;
  body: Record<string, unknown> | undefined;
  /** The body as it came: numbers have all their digits in it. */
  text: string;
  retryAfterSeconds?: number;
}

/** The server refuses what was shown to it, be it for good or not: another token may do, or another secret_id. */
export function credentialsRefused(message: string): BackendError {
  return new BackendError('unavailable', message, { credentialsRefused: true });
}

/** 403 to a token: it is not allowed this, or it is none any more. */
export class Forbidden extends BackendError {
  /** The server's words are those that it has for a good token whose policies don't allow it. */
  readonly isByPolicy: boolean;

  constructor(message: string, isByPolicy: boolean) {
    super('access_denied', message);
    this.isByPolicy = isByPolicy;
  }
}

/**
 * The server's own words, where they are known to repeat nothing that was sent or kept. What is not here is not passed on.
 */
const KNOWN_WORDS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^Vault is sealed$/i, 'it is sealed'],
  [/^invalid role or secret ID$/i, 'invalid role or secret ID'],
  [/^invalid secret[_ ]id$/i, 'invalid secret ID'],
  [/^invalid role[_ ]id$/i, 'invalid role ID'],
  [
    /^wrapping token is not valid or does not exist$/i,
    'the wrapping token is none, has ended, or was unwrapped before',
  ],
  [/^missing client token$/i, 'no token was sent'],
  [/^namespace not found$/i, 'there is no such namespace'],
  [/^no handler for route /i, 'nothing is mounted there'],
  [/^invalid certificate or no client certificate supplied/i, 'no client certificate, or one that it does not trust'],
  [/^permission denied$/i, 'permission denied'],
  [/^error validating token: /i, 'the token is not valid'],
  [/^invalid role name /i, 'there is no such role'],
  [/^role .* (could not be found|not found)$/i, 'there is no such role'],
  [/^role ".*" could not be found$/i, 'there is no such role'],
  [/^(?:service account name|namespace) not authorized$/i, "the role is not bound to this pod's service account"],
  [/^invalid audience \(aud\) claim/i, "the token's audience is not one that the role is bound to"],
  [
    /^invalid (?:subject|issuer) \((?:sub|iss)\) claim/i,
    "the token's subject or issuer is not what the role is bound to",
  ],
  [/^claim ".*" (?:is missing|does not match)/i, "the token's claims are not what the role is bound to"],
  [/token is expired/i, 'the token that it was shown has expired'],
  [/^lookup failed: /i, "the server can't have Kubernetes review the token; look at its kubernetes auth configuration"],
  [/^could not load (?:configuration|backend configuration)/i, 'the auth method there is not configured'],
  [/^source address .* unauthorized/i, "this machine's address is not one that the role or token is bound to"],
  [/^request path .* rate limit quota exceeded/i, 'a rate limit quota is used up'],
  [/^local node not active but active cluster node not found$/i, 'it is a standby, and its cluster has no leader now'],
  [/^Vault is not initialized$/i, 'it is not initialized'],
];

/** What is wrong, in words that hold nothing secret; empty where the server's words are not known. */
export function reasonOf({ body }: Answer): string {
  const errors = Array.isArray(body?.errors) ? body.errors : [];
  for (const error of errors) {
    if (typeof error !== 'string') continue;
    const known = KNOWN_WORDS.find(([words]) => words.test(error));
    if (known) return known[1];
  }
  return '';
}

/** Whether it is an answer of a server of this kind and not, for example, of a proxy in between. */
export function isOfProtocol({ body }: Answer): boolean {
  return body !== undefined && (Array.isArray(body.errors) || body.data !== undefined || body.auth !== undefined);
}

/** What an answer that is no success means, whatever was asked. 404 is the asker's to read. */
export function fromAnswer(answer: Answer, subject: string, target: string): BackendError {
  const { status, retryAfterSeconds } = answer;
  const reason = reasonOf(answer);
  const why = `${reason === '' ? '' : `${reason}, `}HTTP ${status}`;
  if (status === 429) {
    return new BackendError('unavailable', `${subject}: ${target} throttles calls (HTTP 429)`, {
      throttled: true,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    });
  }
  if (status >= 300 && status < 400) {
    // Wherever it leads, the token would go along.
    return new BackendError('unavailable', `${subject}: ${target} sends its callers elsewhere (HTTP ${status})`);
  }
  if (!isOfProtocol(answer) && status < 500) return garbage(subject, target);
  if (status === 403) {
    const isDenied = isByPolicy(answer);
    const look = isDenied ? "; look at the policies of the token's role" : reason && ` (${reason})`;
    return new Forbidden(`${subject}: ${target} denies access${look}`, isDenied);
  }
  return new BackendError('unavailable', `${subject}: ${target} failed (${why})`);
}

/**
 * HashiCorp Vault and OpenBao say by a list of one that policies deny it; to a token that is none they say it without.
 */
function isByPolicy({ body }: Answer): boolean {
  const [error] = Array.isArray(body?.errors) ? body.errors : [];
  return typeof error === 'string' && /^1 error occurred:\s+\* permission denied\s*$/.test(error);
}

export function garbage(subject: string, target: string): BackendError {
  return new BackendError('unavailable', `${subject}: ${target} answered with something that is not its protocol`);
}

/** What came instead of an answer. Of a connection's error only its code is passed on. */
export function fromConnection(error: unknown, subject: string, target: string): BackendError {
  if (error instanceof BackendError) return error;
  if (codeOf(error)?.startsWith('HPE_')) return garbage(subject, target);
  const why = unreached(error, target, 'ca_cert or ssl_trusted_certificate say whom to trust');
  return new BackendError('unavailable', `${subject}: ${why}`);
}

/** Whether an error's code says that one side of a TLS connection does not take the other for what it should be. */
export function isAboutTrust(code: string): boolean {
  return /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY|ERR_SSL|ERR_TLS|ERR_OSSL/.test(code);
}
