import type { KeyObject } from 'node:crypto';
import { createVerify } from 'node:crypto';

/** What a service account has signed: as a request for a token, or in the place of one. */
export type Assertion = { email: string; audience: unknown; scopes: string[] };

/** Whose assertions are believed. */
export interface Accounts {
  /** Undefined where there is no such account. */
  principal(email: string): unknown;
  publicKeys(email: string): KeyObject[];
}

/** How far the caller's clock may be ahead, seconds. */
const SKEW_SECONDS = 300;
const LONGEST_SECONDS = 3600;
const TOKEN_SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];

/**
 * Checks a JWT's signature (RS256, by any of the account's keys) and its times.
 *
 * @returns what is wrong, in Google's words, as a string
 */
export function verifyAssertion(jwt: string, accounts: Accounts, nowMs: number): Assertion | string {
  const [head, payload, signature] = jwt.split('.');
  const header = parsed(head);
  const claims = parsed(payload);
  if (header === null || claims === null) return 'Bad Request';
  if (header.alg !== 'RS256' || signature === undefined) return 'Invalid JWT Signature.';
  const { iss, aud, scope, iat, exp } = claims;
  if (typeof iss !== 'string' || !accounts.principal(iss)) return 'Invalid grant: account not found';
  const signed = accounts
    .publicKeys(iss)
    .some((key) => createVerify('RSA-SHA256').update(`${head}.${payload}`).verify(key, signature, 'base64url'));
  if (!signed) return 'Invalid JWT Signature.';
  const now = nowMs / 1000;
  const timely = typeof iat === 'number' && typeof exp === 'number' && exp > now && iat <= now + SKEW_SECONDS;
  if (!timely || exp - iat > LONGEST_SECONDS) {
    return (
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp ' +
      'values in the JWT claim.'
    );
  }
  return { email: iss, audience: aud, scopes: typeof scope === 'string' ? scope.split(' ') : [] };
}

export const mayUseSecretManager = ({ scopes }: Assertion): boolean =>
  scopes.some((scope) => TOKEN_SCOPES.includes(scope));

function parsed(part: string | undefined): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
