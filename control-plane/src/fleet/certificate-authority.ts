import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { ENROLLED_SERVER_NAME } from '@vaultplane/model/protocol/enrolment.ts';
import { publicKeyPin } from '@vaultplane/platform/crypto/certificate-chain.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import {
  resealAuthority,
  type StoredAuthority,
  storeAuthority,
  storedAuthority,
} from '../store/certificate-authority-row.ts';
import type { Database } from '../store/database.ts';
import type { IssuedCertificate } from '../store/nodes.ts';
import type { CertificatePair } from './certificate-maker.ts';

/** A control plane's own certificate is good for so long, and replaced after a third of it. */
const CONTROL_PLANE_LIFE_MS = 30 * 86_400_000;
/** For machines whose clocks are behind: a certificate begins so much earlier, but no more than a tenth of its life. */
const SKEW_MS = 3_600_000;

/** Loaded only when something is to be made: it takes 90 ms and 27 MB. */
const maker = () => import('./certificate-maker.ts');

/** The cluster's own certificate authority (`cluster_mtls = enrolled`): one for all control planes on a database. */
export class CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly parsed: X509Certificate;
  /** SHA-256 of its public key, base64url: an invitation's token has it, so that no other server is told the token. */
  readonly pin: string;
  readonly #pair: CertificatePair;

  private constructor(pair: CertificatePair) {
    this.#pair = pair;
    this.certificate = pair.certificate;
    this.parsed = new X509Certificate(pair.certificate);
    this.pin = publicKeyPin(this.parsed);
  }

  /**
   * The authority that the database has, made where it has none. Its key is stored encrypted by the keyring only.
   *
   * @throws StartError without a keyring that opens it
   */
  static async open(database: Database, keyring: Keyring | undefined): Promise<CertificateAuthority> {
    if (!keyring) throw new StartError("cluster_mtls = enrolled needs keyring_key_file for the CA's key");
    const stored = (await storedAuthority(database)) ?? (await makeAuthority(database, keyring));
    const key = keyring.open(stored.sealed_key, contextOf(stored.certificate));
    if (key === undefined) {
      throw new StartError(
        `the CA's key in the database is encrypted under key ${stored.sealed_key.key}, which keyring_key_file does not hold`,
      );
    }
    const resealed = keyring.seal(key, contextOf(stored.certificate));
    // The keyring's first key is another now: the one before may be taken out of it one day.
    if (resealed.key !== stored.sealed_key.key) await resealAuthority(database, stored, resealed);
    return new CertificateAuthority({ certificate: stored.certificate, key });
  }

  /** A pair for a control plane, for a server alone. The certificate is followed by the authority's. */
  async issueControlPlane(controlPlaneId: string, now: number): Promise<CertificatePair> {
    const { certificate, key } = await (await maker()).makeServerCertificate(this.#pair, {
      commonName: controlPlaneId,
      name: ENROLLED_SERVER_NAME,
      ...validity(now, CONTROL_PLANE_LIFE_MS),
    });
    return { certificate: `${certificate}\n${this.certificate}`, key };
  }

  /**
   * A certificate for a data plane, for a client alone.
   *
   * @param publicKey SubjectPublicKeyInfo, DER
   */
  async issueNode(nodeId: string, publicKey: Buffer, now: number, lifeMs: number): Promise<IssuedCertificate> {
    const { notBefore, notAfter } = validity(now, lifeMs);
    const issued = await (await maker()).makeClientCertificate(this.#pair, { nodeId, publicKey, notBefore, notAfter });
    return { ...issued, publicKey: hashOfKey(publicKey), expiresAt: notAfter };
  }
}

/** By which a certificate's key is known again. */
export function hashOfKey(publicKey: Buffer): string {
  return createHash('sha256').update(publicKey).digest('hex');
}

/** The public key of a signing request (DER) that a certificate may be made for. @throws Error saying what is wrong */
export async function certifiableKey(request: Buffer): Promise<Buffer> {
  const der = await (await maker()).publicKeyOfRequest(request);
  const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (asymmetricKeyType !== 'ec' || !['prime256v1', 'secp384r1'].includes(asymmetricKeyDetails?.namedCurve ?? '')) {
    throw new Error('its key must be of the curve P-256 or P-384');
  }
  return der;
}

async function makeAuthority(database: Database, keyring: Keyring): Promise<StoredAuthority> {
  const { certificate, key } = await (await maker()).makeAuthority();
  return storeAuthority(database, { certificate, sealed_key: keyring.seal(key, contextOf(certificate)) });
}

/** Binds the sealed key to its certificate: whoever writes to the database can't give it another. */
function contextOf(certificate: string): string {
  return `certificate authority ${publicKeyPin(new X509Certificate(certificate))}`;
}

function validity(now: number, lifeMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - Math.min(SKEW_MS, lifeMs / 10)), notAfter: new Date(now + lifeMs) };
}
