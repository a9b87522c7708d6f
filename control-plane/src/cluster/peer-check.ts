import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { readPem, readPemPair } from '../pem.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { CertificateFiles } from './certificates.ts';

/** Whom a control plane lets in, and as whom it shows itself. */
export interface ClusterIdentity {
  certificate: string;
  key: string;
  /** What a peer's certificate must be signed by; in shared mode the certificate itself. */
  authority: string;
  expiresAt: Date;
  check: (peer: Peer) => PeerVerdict;
}

export interface Peer {
  /** Undefined where the peer showed none. */
  certificate: X509Certificate | undefined;
  /** Whether TLS found the certificate valid and signed by the authority. */
  authorized: boolean;
  authorizationError?: string | undefined;
}

export type PeerVerdict = { commonName: string; expiresAt: Date } | { refused: string };

/** @throws StartError when the files can't be used */
export function clusterIdentity(
  settings: Pick<ControlPlaneSettings, 'cluster_mtls' | 'cluster_ca_cert' | 'cluster_allowed_common_names'>,
  files: CertificateFiles,
): ClusterIdentity {
  const { cert: certificate, key } = readPemPair('cluster_cert', files.certificateFile, files.keyFile);
  const own = parse('cluster_cert', files.certificateFile, certificate);
  const shared = { certificate, key, expiresAt: new Date(own.validTo) };
  if (settings.cluster_mtls === 'shared') {
    return { ...shared, authority: certificate, check: (peer) => checkShared(own, peer) };
  }
  const authority = readPem('cluster_ca_cert', settings.cluster_ca_cert!);
  parse('cluster_ca_cert', settings.cluster_ca_cert!, authority);
  const allowed = new Set(settings.cluster_allowed_common_names);
  return { ...shared, authority, check: (peer) => checkSigned(allowed, peer) };
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
 * The very same certificate, byte for byte. That the peer has its key, the handshake has proven. Its dates do not
 * matter: it is trusted as it is, and an expiry would part all data planes from all control planes at once.
 */
function checkShared(own: X509Certificate, { certificate }: Peer): PeerVerdict {
  if (!certificate) return { refused: 'no client certificate' };
  if (!certificate.raw.equals(own.raw)) {
    return {
      refused: "the client certificate is not this cluster's (cluster_mtls = shared: both sides need the same)",
    };
  }
  return verdict(certificate);
}

function checkSigned(allowed: ReadonlySet<string>, { certificate, authorized, authorizationError }: Peer): PeerVerdict {
  if (!certificate) return { refused: 'no client certificate' };
  if (!authorized)
    return { refused: `the client certificate is not accepted: ${authorizationError ?? 'not authorized'}` };
  const commonName = commonNameOf(certificate);
  // Without names, whoever the cluster's own CA has signed for belongs to the cluster.
  if (allowed.size > 0 && !allowed.has(commonName)) {
    return {
      refused: `the common name ${JSON.stringify(commonName.slice(0, 64))} is not in cluster_allowed_common_names`,
    };
  }
  return verdict(certificate);
}

function verdict(certificate: X509Certificate): PeerVerdict {
  return { commonName: commonNameOf(certificate), expiresAt: new Date(certificate.validTo) };
}

/** Empty where there is not exactly one. */
function commonNameOf(certificate: X509Certificate): string {
  const names = certificate.subject.split('\n').filter((line) => line.startsWith('CN='));
  return names.length === 1 ? names[0]!.slice('CN='.length) : '';
}

function parse(setting: string, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new StartError(`${setting} = ${file} is no PEM certificate: ${errorMessage(error)}`);
  }
}
