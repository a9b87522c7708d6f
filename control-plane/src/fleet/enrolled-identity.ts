import { X509Certificate } from 'node:crypto';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { CertificatePair } from './certificate-maker.ts';
import type { CertificateFiles } from './certificates.ts';
import type { Enrolment } from './enrolment.ts';
import { EnrolmentRefused } from './enrolment.ts';
import { type ClusterIdentity, clusterIdentity, type Peer, type PeerVerdict } from './peer-check.ts';

export interface EnrolledIdentityOptions {
  authority: CertificateAuthority;
  enrolment: Enrolment;
  controlPlaneId: string;
  /** Of the shared certificate that data planes may still come with, on the way from `shared`; undefined: none. */
  shared: CertificateFiles | undefined;
  clock: Clock;
}

/**
 * The identity of a control plane that is its own CA: a certificate that it issues itself, and replaces after a third of
 * its life. The key is in memory only.
 */
export class EnrolledIdentity {
  readonly #options: EnrolledIdentityOptions;
  #pair: CertificatePair | undefined;
  /** ms since 1970. */
  #issuedAt = 0;
  #renewAt = 0;

  constructor(options: EnrolledIdentityOptions) {
    this.#options = options;
  }

  /** The identity now; another one where it was time, or where the shared files have changed. @throws StartError */
  async read(): Promise<ClusterIdentity> {
    const { authority, controlPlaneId, shared: files, clock } = this.#options;
    const now = clock.now();
    // One that was issued while the clock was ahead is valid nowhere before then.
    if (!this.#pair || now >= this.#renewAt || now < this.#issuedAt) {
      this.#pair = await authority.issueControlPlane(controlPlaneId, now);
      this.#issuedAt = now;
      this.#renewAt = now + (Date.parse(new X509Certificate(this.#pair.certificate).validTo) - now) / 3;
    }
    const own = this.#pair;
    const shared =
      files &&
      clusterIdentity(
        { cluster_mtls: 'shared', cluster_ca_cert: undefined, cluster_allowed_common_names: undefined },
        files,
      );
    return {
      ...own,
      authority: shared ? [authority.certificate, shared.certificate].join('\n') : authority.certificate,
      expiresAt: new Date(new X509Certificate(own.certificate).validTo),
      ...(shared && { sharedPair: { certificate: shared.certificate, key: shared.key } }),
      check: (peer) => this.#check(peer, shared),
    };
  }

  async #check(peer: Peer, shared: ClusterIdentity | undefined): Promise<PeerVerdict> {
    if (shared && peer.certificate?.raw.equals(new X509Certificate(shared.certificate).raw)) return shared.check(peer);
    try {
      const node = await this.#options.enrolment.admit(peer.certificate);
      return { commonName: node.id, expiresAt: new Date(peer.certificate!.validTo), node };
    } catch (error) {
      if (!(error instanceof EnrolmentRefused)) throw error;
      return { refused: error.message, code: error.code };
    }
  }
}
