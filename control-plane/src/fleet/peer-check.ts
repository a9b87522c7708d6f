import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { EnrolmentRefusal } from '@vaultplane/model/protocol/enrolment.ts';
import {
  certificatesIn,
  chainProblem,
  commonNameOf,
  usageProblem,
  validityProblem,
} from '@vaultplane/platform/crypto/certificate-chain.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { readPemSetting, shownPem } from '@vaultplane/platform/settings/pem-setting.ts';
import { readPemPair } from '../pem.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { EnrolledNode } from '../store/nodes.ts';
import type { CertificateFiles } from './certificates.ts';
import { type CommonNameCheck, commonNameCheck } from './common-names.ts';

const LONGEST_CHAIN = 8;

/** Whom a control plane lets in, and as whom it shows itself. */
export interface ClusterIdentity {
  certificate: string;
  key: string;
  /** What a peer's certificate must be signed by; in shared mode the certificate itself. */
  authority: string;
  expiresAt: Date;
  /** The shared pair, shown to whoever does not ask for the name of enrolled control planes. */
  sharedPair?: { certificate: string; key: string } | undefined;
  check: (peer: Peer) => PeerVerdict | Promise<PeerVerdict>;
}

export interface Peer {
  /** Undefined where the peer showed none. */
  certificate: X509Certificate | undefined;
  /** Whether TLS found the certificate valid and signed by the authority. */
  authorized: boolean;
  authorizationError?: string | undefined;
}

export type PeerVerdict =
  | {
      commonName: string;
      expiresAt: Date;
      /** Where each has a certificate of its own, of an outside CA: SHA-256 of its public key, hexadecimal. */
      publicKey?: string;
      /** Who it is, where the certificate says so. */
      node?: EnrolledNode;
    }
  | {
      refused: string;
      /** For programs. */
      code?: EnrolmentRefusal;
    };

/** @throws StartError when the files can't be used */
export function clusterIdentity(
  settings: Pick<ControlPlaneSettings, 'cluster_mtls' | 'cluster_ca_cert' | 'cluster_allowed_common_names'> &
    Partial<Pick<ControlPlaneSettings, 'cluster_strict_usage'>>,
  files: CertificateFiles,
): ClusterIdentity {
  const { cert: certificate, key } = readPemPair('cluster_cert', files.certificateFile, files.keyFile);
  const own = parse('cluster_cert', files.certificateFile, certificate);
  const shared = { certificate, key, expiresAt: new Date(own.validTo) };
  if (settings.cluster_mtls === 'shared') {
    return { ...shared, authority: certificate, check: (peer) => checkShared(own, peer) };
  }
  const authority = readPemSetting('cluster_ca_cert', settings.cluster_ca_cert!);
  parse('cluster_ca_cert', settings.cluster_ca_cert!, authority);
  const strict = settings.cluster_strict_usage === true;
  const usage = strict ? usageProblem(own, 'server', true) : undefined;
  if (usage !== undefined) {
    throw new StartError(
      `cluster_cert = ${shownPem(files.certificateFile)} can't be used with cluster_strict_usage = on: ${usage}; \`vaultplane-cp certs create --node NAME --for control-plane\` makes one`,
    );
  }
  const nameProblem = commonNameCheck(settings, own, shownPem(files.certificateFile));
  return { ...shared, authority, check: (peer) => checkSigned(nameProblem, strict, peer) };
}

/** The certificate and facts that a TLS connection has about its other side. */
export function peerOf(socket: TLSSocket): Peer {
  const error = socket.authorizationError as Error | string | undefined | null;
  return {
    certificate: socket.getPeerX509Certificate(),
    authorized: socket.authorized,
    authorizationError: error
      ? typeof error === 'string'
        ? error
        : ((error as NodeJS.ErrnoException).code ?? error.message)
      : undefined,
  };
}

/**
 * The very same certificate, byte for byte; that the peer has its key, the handshake has proven. An expired one is refused
 * as data planes refuse it: TLS on their side does.
 */
function checkShared(own: X509Certificate, { certificate }: Peer): PeerVerdict {
  if (!certificate) return { refused: 'no client certificate' };
  if (!certificate.raw.equals(own.raw)) {
    return {
      refused: "the client certificate is not this cluster's (cluster_mtls = shared: both sides need the same)",
    };
  }
  const problem = validityProblem(certificate, Date.now());
  if (problem !== undefined) return { refused: `the client certificate is not accepted: ${problem}` };
  return verdict(certificate);
}

function checkSigned(
  nameProblem: CommonNameCheck,
  strict: boolean,
  { certificate, authorized, authorizationError }: Peer,
): PeerVerdict {
  if (!certificate) return { refused: 'no client certificate' };
  if (!authorized) {
    return { refused: `the client certificate is not accepted: ${inWords(certificate, authorizationError)}` };
  }
  // A TLS session that is resumed has the verdict of its beginning, which may be days ago.
  const expiry = validityProblem(certificate, Date.now());
  if (expiry !== undefined) return { refused: `the client certificate is not accepted: ${expiry}` };
  const usage = usageProblem(certificate, 'client', strict);
  if (usage !== undefined) {
    return {
      refused: `the client certificate is not accepted: ${usage} (cluster_strict_usage = ${strict ? 'on' : 'off'})`,
    };
  }
  const refused = nameProblem(commonNameOf(certificate));
  if (refused !== undefined) return { refused };
  return { ...verdict(certificate), publicKey: keyHashOf(certificate) };
}

function keyHashOf({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/**
 * A peer as its connection began, judged by the authority of now.
 *
 * @param chain what it showed: its certificate, and those that lead from it to an authority
 */
export function peerNow(chain: readonly X509Certificate[], { authority }: ClusterIdentity, now: number): Peer {
  const problem = chainProblem(chain, certificatesIn(authority), now);
  return { certificate: chain[0], authorized: problem === undefined, authorizationError: problem };
}

/** What a peer showed, for peerNow. */
export function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate && chain.length < LONGEST_CHAIN && !chain.some(({ raw }) => raw.equals(certificate!.raw))) {
    chain.push(certificate);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

function verdict(certificate: X509Certificate): PeerVerdict {
  return { commonName: commonNameOf(certificate), expiresAt: new Date(certificate.validTo) };
}

/** OpenSSL's verdict, as somebody who has to mend it needs it. */
function inWords(certificate: X509Certificate, code = 'not authorized'): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return validityProblem(certificate, Date.now()) ?? 'one that signed it has expired, or is not valid yet';
    case 'INVALID_PURPOSE':
      return 'it is not for a client';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_SIGNATURE_FAILURE':
      return `it is not signed by cluster_ca_cert, but by ${certificate.issuer.replaceAll('\n', ', ').slice(0, 200)}`;
    default:
      return code;
  }
}

function parse(setting: string, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new StartError(`${setting} = ${shownPem(file)} is no PEM certificate: ${errorMessage(error)}`);
  }
}
