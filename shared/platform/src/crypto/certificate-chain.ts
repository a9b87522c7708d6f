import { createHash, X509Certificate } from 'node:crypto';

const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
const LONGEST_CHAIN = 8;

/** What a certificate is for: a control plane's is a server's, a data plane's a client's. */
export type CertificateUse = 'server' | 'client';

/**
 * Why a certificate may not be used so; undefined where it may.
 *
 * @param strict it must be for nothing else (extended key usage, RFC 5280 §4.2.1.12), so that a data plane's certificate
 *   makes no control plane; otherwise one for both uses passes, and one that names no use
 */
export function usageProblem(certificate: X509Certificate, use: CertificateUse, strict: boolean): string | undefined {
  const uses = certificate.keyUsage ?? [];
  const [wanted, other] =
    use === 'server' ? [SERVER_AUTHENTICATION, CLIENT_AUTHENTICATION] : [CLIENT_AUTHENTICATION, SERVER_AUTHENTICATION];
  if (uses.length > 0 && !uses.includes(wanted)) return `it is not for a ${use}`;
  if (!strict) return undefined;
  if (uses.length === 0) return `it does not say that it is for a ${use}`;
  if (uses.includes(other)) return `it is for a ${use === 'server' ? 'client' : 'server'} too, not for a ${use} alone`;
  return uses.length > 1 ? `it is not for a ${use} alone` : undefined;
}

/** SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER; RFC 7469), base64url. */
export function publicKeyPin({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/** The certificates of a PEM text, in their order. @throws Error for one that can't be read */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/**
 * Why a server's certificate is not to be trusted; undefined where it is: valid now, and signed, over any number of
 * others, by one of `authorities`. As in a TLS handshake, for what comes by no connection. Names and usage are the caller's
 * to check.
 *
 * @param chain the certificate, then those that lead from it to an authority
 */
export function chainProblem(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: number,
): string | undefined {
  const [leaf] = chain;
  if (!leaf) return 'there is no certificate';
  let current = leaf;
  for (let length = 0; length < LONGEST_CHAIN; length++) {
    const expiry = validityProblem(current, now);
    if (expiry !== undefined) return expiry;
    if (authorities.some((authority) => authority.raw.equals(current.raw))) return undefined;
    const authority = authorities.find((candidate) => signs(candidate, current));
    if (authority) return validityProblem(authority, now);
    const next = chain.find((candidate) => candidate !== current && signs(candidate, current));
    if (!next) return 'it is not signed by cluster_ca_cert';
    current = next;
  }
  return 'its chain of certificates is too long';
}

/** Why a certificate is not valid at a time; undefined where it is. */
export function validityProblem({ validFrom, validTo }: X509Certificate, now: number): string | undefined {
  if (now > Date.parse(validTo))
    return `it has expired (${new Date(validTo).toISOString()}; this machine's clock says ${isoTime(now)})`;
  if (now < Date.parse(validFrom))
    return `it is not valid before ${new Date(validFrom).toISOString()} (this machine's clock says ${isoTime(now)})`;
  return undefined;
}

export function signs(issuer: X509Certificate, subject: X509Certificate): boolean {
  return issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

/** The common name of a certificate; empty where there is not exactly one. */
export function commonNameOf(certificate: X509Certificate): string {
  const names = certificate.subject.split('\n').filter((line) => line.startsWith('CN='));
  return names.length === 1 ? names[0]!.slice('CN='.length) : '';
}

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
