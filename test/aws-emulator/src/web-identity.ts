import { createPublicKey, verify } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { matchesPattern } from './policy.ts';
import type { Role, WebIdentityTrust } from './principal.ts';

/** What a web identity token says of its bearer; empty strings for a token that is no JWT. */
export type WebIdentity = { subject: string; issuer: string; audience: string };

type Claims = { iss?: unknown; sub?: unknown; aud?: unknown; exp?: unknown };

/**
 * The identity behind `token`, when `role` trusts it at `now` (ms). Throws STS's errors: InvalidIdentityToken,
 * ExpiredTokenException, AccessDenied. A JWT's signature is checked where the trust has a public key.
 */
export function acceptWebIdentity(role: Role, token: string, now: number): WebIdentity {
  const trusts = role.trust.webIdentity;
  if (trusts.length === 0) throw refused();
  const claims = readClaims(token);
  const literal = trusts.find((trust) => trust.token === token);
  if (claims === null) {
    if (literal) return { subject: 'emulator-subject', issuer: literal.issuer ?? '', audience: literal.audience ?? '' };
    throw new AwsError(
      'InvalidIdentityToken',
      'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
    );
  }
  const issuer = typeof claims.iss === 'string' ? claims.iss : '';
  const subject = typeof claims.sub === 'string' ? claims.sub : '';
  const audiences = [claims.aud].flat().filter((audience) => typeof audience === 'string');
  const known = trusts.filter((trust) => trust === literal || (trust.token === undefined && trust.issuer === issuer));
  if (known.length === 0) {
    throw new AwsError('InvalidIdentityToken', `No OpenIDConnect provider found in your account for ${issuer}`);
  }
  if (typeof claims.exp === 'number' && claims.exp * 1000 <= now) {
    const current = Math.floor(now / 1000);
    throw new AwsError(
      'ExpiredTokenException',
      `Token expired: current date/time ${current} must be before the expiration date/time ${claims.exp}`,
    );
  }
  const signed = known.filter((trust) => trust.publicKey === undefined || isSignedBy(token, trust.publicKey));
  if (signed.length === 0) {
    throw new AwsError(
      'InvalidIdentityToken',
      "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
    );
  }
  const accepted = signed.find((trust) => coversClaims(trust, subject, audiences));
  if (!accepted) throw refused();
  return { subject, issuer, audience: accepted.audience ?? audiences[0] ?? '' };
}

function coversClaims(trust: WebIdentityTrust, subject: string, audiences: string[]): boolean {
  if (trust.subject !== undefined && !matchesPattern(trust.subject, subject)) return false;
  return trust.audience === undefined || audiences.includes(trust.audience);
}

function readClaims(token: string): Claims | null {
  const parts = token.split('.');
  if (parts.length !== 3) return null;
  try {
    const claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? claims : null;
  } catch {
    return null;
  }
}

/** RS256 and ES256: what Kubernetes and the usual issuers sign with. */
function isSignedBy(token: string, pem: string): boolean {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  try {
    const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString());
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType !== (alg === 'RS256' ? 'rsa' : alg === 'ES256' ? 'ec' : 'none')) return false;
    const data = Buffer.from(`${header}.${payload}`);
    return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}

const refused = (): AwsError =>
  new AwsError('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 403);
