import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import type { ConnectionOptions, PeerCertificate, TLSSocket } from 'node:tls';
import { localProblemOf } from '@vaultplane/backends/http/connection-problem.ts';
import { openTunnel } from '@vaultplane/backends/proxies/tunnel.ts';
import { ENROLLED_SERVER_NAME } from '@vaultplane/model/protocol/enrolment.ts';
import { LINK_TRUST } from '@vaultplane/model/settings/common-settings.ts';
import {
  certificatesIn,
  chainProblem,
  usageProblem,
  validityProblem,
} from '@vaultplane/platform/crypto/certificate-chain.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { lookup } from '@vaultplane/platform/names/lookup.ts';
import { type Address, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { tls } from '@vaultplane/platform/node-modules.ts';
import { PEM_FORMS, readPemLater, shownPem } from '@vaultplane/platform/settings/pem-setting.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { LinkCredentials, LinkSettings } from './link-credentials.ts';
import type { LinkProxy } from './link-proxy.ts';

/** Reads the certificates that the settings name. @throws StartError naming the setting, the file and what is wrong */
export async function loadLinkCredentials(settings: LinkSettings): Promise<LinkCredentials> {
  const mtls = LINK_TRUST[settings.cluster_mtls];
  if (mtls === 'enrolled') {
    const { loadEnrolled } = await import('../enrolment/load-enrolled.ts');
    return loadEnrolled(settings);
  }
  const certificate = await readPem(
    'cluster_cert',
    settings.cluster_cert,
    'the control plane has made its own in its data_dir',
  );
  const key = await readPem('cluster_cert_key', settings.cluster_cert_key, 'the private key of cluster_cert');
  const ca =
    mtls === 'pki'
      ? await readPem('cluster_ca_cert', settings.cluster_ca_cert, `cluster_mtls = ${settings.cluster_mtls} needs it`)
      : undefined;
  try {
    tls.createSecureContext({ cert: certificate, key, ca });
  } catch (error) {
    throw new StartError(
      `cluster_cert = ${shown(settings.cluster_cert)} and cluster_cert_key = ${shown(settings.cluster_cert_key)} can't be used together: ${errorMessage(error)}`,
    );
  }
  return {
    certificate,
    key,
    mtls,
    ...(ca !== undefined && { ca }),
    ...(mtls === 'pki' && settings.cluster_strict_usage && { strictUsage: true }),
    // Under pki_check_cn the names are those of data planes, as in Kong: a settings file may be both sides'.
    ...(settings.cluster_mtls === 'pki' &&
      settings.cluster_allowed_common_names && { allowedCommonNames: settings.cluster_allowed_common_names }),
    ...(settings.cluster_server_name !== undefined && { serverName: settings.cluster_server_name }),
  };
}

const shown = (value: string | undefined) => shownPem(value ?? '');

async function readPem(key: keyof LinkSettings, value: string | undefined, hint: string): Promise<string> {
  if (value === undefined) throw new StartError(`${key} is not set; it must be ${PEM_FORMS} (${hint})`);
  return readPemLater(key, value);
}

/** The control plane could not be reached, or is not ours; the message says which, in one line. */
export class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused';
}

export interface ConnectOptions {
  signal: AbortSignal;
  /** An HTTP proxy to go through by CONNECT. */
  proxy?: LinkProxy | undefined;
}

/**
 * A TLS 1.3 connection to a control plane whose certificate has been checked.
 *
 * @throws ConnectionRefused
 */
export async function connectSecurely(
  address: Address,
  credentials: LinkCredentials,
  options: ConnectOptions,
): Promise<TLSSocket> {
  const enrolled = credentials.mtls === 'enrolled';
  const name = credentials.serverName ?? (enrolled ? ENROLLED_SERVER_NAME : address.host);
  const tlsOptions: ConnectionOptions = {
    cert: credentials.certificate,
    key: credentials.key,
    ca: credentials.mtls === 'shared' ? credentials.certificate : credentials.ca,
    // The shared certificate is trusted itself, whoever may have signed it.
    allowPartialTrustChain: credentials.mtls === 'shared',
    ...(isIP(name) ? {} : { servername: name }),
    checkServerIdentity: (_host, peer) => identityProblem(enrolled ? ENROLLED_SERVER_NAME : name, peer, credentials),
  };
  return connectTls(address, tlsOptions, options, credentials);
}

/**
 * A TLS 1.3 connection, as its options check it.
 *
 * @param how whose certificate was expected, for the words of an error
 * @throws ConnectionRefused
 */
export async function connectTls(
  address: Address,
  tlsOptions: ConnectionOptions,
  { signal, proxy }: ConnectOptions,
  how: Pick<LinkCredentials, 'mtls'> = { mtls: 'enrolled' },
): Promise<TLSSocket> {
  const tunnel = proxy && (await connectThroughProxy(address, proxy, signal));
  const connection = tls.connect({
    ...(tunnel ? { socket: tunnel } : { ...address, lookup, noDelay: true }),
    minVersion: 'TLSv1.3',
    ...tlsOptions,
  });
  const abort = () => connection.destroy(new Error('timed out'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('secureConnect', resolve).once('error', reject);
      connection.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
    });
    return connection;
  } catch (error) {
    connection.destroy();
    tunnel?.destroy();
    throw new ConnectionRefused(explainConnectionError(error, how), { cause: error });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function identityProblem(name: string, peer: PeerCertificate, credentials: LinkCredentials): Error | undefined {
  if (credentials.mtls === 'shared') {
    return peer.raw.equals(new X509Certificate(credentials.certificate).raw) ? undefined : new Error(NOT_OURS);
  }
  const problem = tls.checkServerIdentity(name, peer);
  if (problem) return problem;
  // TLS has seen to it that it is for a server; that it is for nothing else keeps data planes from being control planes.
  const strict = credentials.mtls === 'enrolled' || credentials.strictUsage === true;
  const usage = strict ? usageProblem(new X509Certificate(peer.raw), 'server', true) : undefined;
  if (usage !== undefined) return new Error(`the control plane's certificate is not accepted: ${usage}`);
  const commonName = peer.subject.CN;
  const allowed = credentials.allowedCommonNames;
  if (!allowed || (typeof commonName === 'string' && allowed.includes(commonName))) return undefined;
  return new Error(
    `the control plane's certificate has the common name ${shownName(String(commonName))}, which cluster_allowed_common_names does not allow`,
  );
}

/**
 * Why the control plane at the other end would not be taken for one any more: its certificate has ended, or is not signed by
 * the CA of now. Under `shared` another `cluster_cert` here is no reason: data planes get the new one first.
 */
export function peerProblem(connection: TLSSocket, { mtls, ca }: LinkCredentials, now: number): string | undefined {
  const certificate = connection.getPeerX509Certificate();
  if (!certificate) return undefined;
  if (mtls === 'shared') return validityProblem(certificate, now);
  const chain: X509Certificate[] = [];
  for (let next: X509Certificate | undefined = certificate; next && chain.length < LONGEST_CHAIN; ) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chainProblem(chain, certificatesIn(ca ?? ''), now);
}

const LONGEST_CHAIN = 8;
const NOT_OURS =
  "the control plane shows another certificate than this data plane's cluster_cert; with cluster_mtls = shared both need the same";

/** Says in words what a failed connection means, naming the setting to look at where there is one. */
export function explainConnectionError(error: unknown, { mtls }: Pick<LinkCredentials, 'mtls'>): string {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const message = errorMessage(error) || code;
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return "the control plane's certificate has expired; if it has not, this machine's clock is wrong";
    case 'CERT_NOT_YET_VALID':
      return "the control plane's certificate is not valid yet; is this machine's clock right?";
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_SIGNATURE_FAILURE':
      if (mtls === 'shared') return NOT_OURS;
      return mtls === 'pki'
        ? "the control plane's certificate is not signed by cluster_ca_cert"
        : "the control plane's certificate is not signed by the CA that this data plane has joined with";
    case 'INVALID_PURPOSE':
      return "the control plane's certificate is not for a server";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the control plane's certificate is for another name; set cluster_server_name (${message})`;
    case 'ECONNREFUSED':
      return 'nothing listens there';
  }
  if (/^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code)) return 'it does not speak TLS 1.3';
  if (/^ERR_SSL_.*ALERT/.test(code)) return `the control plane refuses this data plane's certificate (${code})`;
  return localProblemOf(error) ?? message;
}

async function connectThroughProxy(
  address: Address,
  { url, trusted, verify }: LinkProxy,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    return await openTunnel(address, url, {
      signal,
      ...(url.protocol === 'https:' && { ca: await trustedBy(trusted), verify }),
    });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const hint = /CERT|VERIFY|ISSUER/.test(code) ? '; ssl_trusted_certificate says whom to trust' : '';
    throw new ConnectionRefused(
      `proxy_server does not connect to ${shownAddress(address)}: ${errorMessage(error)}${hint}`,
    );
  }
}

async function trustedBy(sources: readonly string[]): Promise<string[]> {
  const { trustedCertificates } = await import('@vaultplane/backends/http/trusted-certificates.ts');
  return trustedCertificates(sources);
}
