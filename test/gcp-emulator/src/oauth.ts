import type { Answer } from '@vaultplane/aws-emulator/exchange.ts';
import { headerValues, type ReceivedRequest } from '@vaultplane/aws-emulator/signature.ts';
import { mayUseSecretManager, verifyAssertion } from './assertion.ts';
import { GoogleError, json } from './google-error.ts';
import type { Iam } from './iam.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** Under which names Google's own endpoint is meant, besides the emulator's own address. */
const GOOGLE_AUDIENCES = ['https://oauth2.googleapis.com/token', 'https://www.googleapis.com/oauth2/v4/token'];

/** The OAuth token endpoint: a service account's signed assertion (RFC 7523), or a person's refresh token. */
export class OAuth {
  /** Life of the tokens given out, seconds. */
  tokenSeconds: number;
  readonly #iam: Iam;
  readonly #clock: () => number;
  readonly #audience: () => string;

  /** @param audience the endpoint's own address */
  constructor(iam: Iam, clock: () => number, audience: () => string, tokenSeconds: number) {
    this.#iam = iam;
    this.#clock = clock;
    this.#audience = audience;
    this.tokenSeconds = tokenSeconds;
  }

  static operationOf(received: ReceivedRequest): string {
    return new URLSearchParams(received.body.toString('utf8')).get('grant_type') === JWT_BEARER
      ? 'ExchangeAssertion'
      : 'RefreshToken';
  }

  /** @param told whom the token is of, once that is proven. @throws GoogleError in the words of OAuth */
  carryOut(received: ReceivedRequest, told: (email: string) => void): Answer {
    const isForm = /^application\/x-www-form-urlencoded\b/.test(headerValues(received, 'content-type')[0] ?? '');
    if (received.method !== 'POST' || !isForm) throw oauthError('invalid_request', 'Bad Request');
    const form = new URLSearchParams(received.body.toString('utf8'));
    const grant = form.get('grant_type');
    let email: string;
    if (grant === JWT_BEARER) email = this.#provenByAssertion(form.get('assertion') ?? '');
    else if (grant === 'refresh_token') email = this.#provenByRefreshToken(form);
    else throw oauthError('unsupported_grant_type', `Invalid grant_type: ${grant ?? ''}`);
    told(email);
    const access_token = this.#iam.issueToken(email, this.tokenSeconds);
    return json(200, { access_token, expires_in: this.tokenSeconds, token_type: 'Bearer' });
  }

  #provenByAssertion(jwt: string): string {
    const assertion = verifyAssertion(jwt, this.#iam, this.#clock());
    if (typeof assertion === 'string') throw oauthError('invalid_grant', assertion);
    const { audience, email } = assertion;
    if (audience !== this.#audience() && !GOOGLE_AUDIENCES.includes(audience as string)) {
      throw oauthError('invalid_grant', `Failed audience check. The right audience is ${GOOGLE_AUDIENCES[0]}`);
    }
    if (!mayUseSecretManager(assertion)) {
      throw oauthError('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    }
    return email;
  }

  #provenByRefreshToken(form: URLSearchParams): string {
    const user = this.#iam.user(form.get('refresh_token') ?? '');
    if (!user || !this.#iam.principal(user.email)) {
      throw oauthError('invalid_grant', 'Token has been expired or revoked.');
    }
    if (form.get('client_id') !== user.client_id)
      throw oauthError('invalid_client', 'The OAuth client was not found.', 401);
    if (form.get('client_secret') !== user.client_secret) throw oauthError('invalid_client', 'Unauthorized', 401);
    return user.email;
  }
}

const oauthError = (code: string, message: string, status = 400): GoogleError => new GoogleError(code, message, status);
