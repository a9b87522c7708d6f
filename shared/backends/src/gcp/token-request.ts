import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { GOOGLE_TOKEN_URL, type GoogleKey } from '@vaultplane/model/vaults/gcp-key.ts';
import { jsonOf } from '@vaultplane/platform/text/json-object.ts';
import { shownOrigin } from '@vaultplane/platform/text/shown-text.ts';
import type { HttpAnswer } from '../http/http-exchange.ts';
import type { GoogleConnections } from './connections.ts';
import { noAnswer } from './errors.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

export interface AccessToken {
  token: string;
  expiration: Date;
}

/**
 * Has an access token for a key, by Google's own library, which signs, and is loaded here only.
 *
 * @param guard asked whether the key's token_uri may be called
 * @throws BackendError unavailable; nothing of what Google's endpoint answered is in it but OAuth's name of the error
 */
export async function requestToken(
  key: GoogleKey,
  connections: GoogleConnections,
  guard: UpstreamGuard,
  signal: AbortSignal,
): Promise<AccessToken> {
  try {
    return await attempt(key, connections, guard, signal, 0);
  } catch (error) {
    if (!(error instanceof Untimely)) throw error;
    return attempt(key, connections, guard, signal, error.clockOffMs);
  }
}

/** What was signed is of no time that Google takes: this machine's clock is off by so much. */
class Untimely extends BackendError {
  readonly clockOffMs: number;

  constructor(message: string, clockOffMs: number) {
    super('unavailable', `${message}; this machine's clock is ${Math.round(Math.abs(clockOffMs) / 1000)} s off`);
    this.clockOffMs = clockOffMs;
  }
}

/** @param clockOffMs how far Google's clock is ahead of this machine's */
async function attempt(
  key: GoogleKey,
  connections: GoogleConnections,
  guard: UpstreamGuard,
  signal: AbortSignal,
  clockOffMs: number,
): Promise<AccessToken> {
  const { gaxios, JWT, UserRefreshClient } = await import('google-auth-library');
  let refusal: BackendError | undefined;
  const send = async (...fetched: Parameters<typeof fetch>) => {
    // As fetch would send it: a form's type follows from its body.
    const request = new Request(...fetched);
    const body = await request.text();
    const headers = { ...Object.fromEntries(request.headers), 'content-length': String(Buffer.byteLength(body)) };
    // The library always asks Google's own address, whatever the key says.
    const url = new URL(request.url === GOOGLE_TOKEN_URL ? key.token_uri : request.url);
    const answer = await connections.send({ method: 'POST', url, headers, body }, guard, signal);
    if (answer.status !== 200) refusal = refusalOf(answer);
    return new Response(new Uint8Array(answer.body), {
      status: answer.status,
      headers: { 'content-type': 'application/json' },
    });
  };
  /** Asks once: trying again is for others to decide. */
  class Transporter extends gaxios.Gaxios {
    override request<T>(options: Parameters<InstanceType<typeof gaxios.Gaxios>['request']>[0] = {}) {
      const once = { ...options.retryConfig, retry: 0, noResponseRetries: 0 };
      return super.request<T>({ ...options, retryConfig: once });
    }
  }
  const transporter = new Transporter({ fetchImplementation: send });
  // Its interceptors would write requests and answers, tokens and all, to stderr where GOOGLE_SDK_NODE_LOGGING says so.
  const shared = { transporter, useAuthRequestParameters: false };
  const client =
    key.type === 'service_account'
      ? new JWT({
          ...shared,
          email: key.client_email,
          key: key.private_key,
          scopes: [SCOPE],
          additionalClaims: { aud: key.token_uri, ...(clockOffMs !== 0 && timesOf(Date.now() + clockOffMs)) },
        })
      : new UserRefreshClient({
          ...shared,
          clientId: key.client_id,
          clientSecret: key.client_secret,
          refreshToken: key.refresh_token,
        });
  try {
    const { token } = await client.getAccessToken();
    const { expiry_date: end } = client.credentials;
    if (typeof token === 'string' && token !== '' && typeof end === 'number') {
      return { token, expiration: new Date(end) };
    }
  } catch (error) {
    if (error instanceof BackendError) throw error;
    const { cause } = error as { cause?: unknown };
    if (cause instanceof BackendError) throw cause;
    throw refusal ?? new BackendError('unavailable', problemOf(error, key));
  }
  throw new BackendError('unavailable', `${shownOrigin(key.token_uri)} answered without a token`);
}

/** When an assertion was signed and how long it is good, seconds since 1970; an hour is the most that Google takes. */
function timesOf(nowMs: number): { iat: number; exp: number } {
  const iat = Math.floor(nowMs / 1000);
  return { iat, exp: iat + 3600 };
}

/** What the token endpoint says, and what it means to whoever has to mend it. Nothing of its own words is shown. */
const DESCRIPTIONS: ReadonlyArray<readonly [sentence: RegExp, meaning: string]> = [
  [/Invalid JWT Signature/i, 'the key was deleted or disabled, or is of another account'],
  [/account not found/i, 'there is no such service account any more'],
  [/account .*(?:disabled|deleted)/i, 'the service account is disabled or deleted'],
  [/expired or revoked/i, "the user's login has expired or was revoked; log in again"],
  [/reauth|rapt/i, 'the organization wants the user to log in again'],
  [/OAuth client was (?:not found|deleted|disabled)/i, 'there is no such OAuth client any more'],
  [/reasonable timeframe/i, "look at this machine's clock"],
];

function refusalOf({ status, headers, body }: HttpAnswer): BackendError {
  const { error: name, error_description: description } = jsonOf(body) ?? {};
  const shown = typeof name === 'string' && /^[a-z_]{3,40}$/.test(name) ? name : 'an unknown error';
  const isAboutKey = shown.startsWith('invalid_') && status < 500;
  const said =
    typeof description === 'string' ? DESCRIPTIONS.find(([sentence]) => sentence.test(description)) : undefined;
  const why = said === undefined ? '' : `; ${said[1]}`;
  const text = `Google's token endpoint ${isAboutKey ? 'refuses it' : 'failed'} (${shown}, HTTP ${status})${why}`;
  const clockOffMs = Date.parse(headers.date ?? '') - Date.now();
  if (typeof description === 'string' && /reasonable timeframe/.test(description) && Math.abs(clockOffMs) > 1000) {
    return new Untimely(text, clockOffMs);
  }
  return new BackendError('unavailable', text, { credentialsRefused: isAboutKey });
}

function problemOf(error: unknown, key: GoogleKey): string {
  const { code } = error as { code?: unknown };
  // What OpenSSL says of a key that it can't read.
  if (typeof code === 'string' && /^ERR_(OSSL|CRYPTO)/.test(code)) return 'its private_key is no RSA key in PEM';
  return noAnswer((error as { cause?: unknown }).cause ?? error, shownOrigin(key.token_uri));
}
