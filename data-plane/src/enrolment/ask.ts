import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import {
  ENROLLED_SERVER_NAME,
  type Enrolled,
  type EnrolmentRefusal,
  JOIN_PATH,
  type JoinToken,
  MAX_ENROLMENT_BYTES,
  printJoinToken,
  RENEW_PATH,
} from '@vaultplane/model/protocol/enrolment.ts';
import { chainProblem, publicKeyPin, usageProblem } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { type Address, printAddress } from '@vaultplane/platform/net/network-address.ts';
import { http } from '@vaultplane/platform/node-modules.ts';
import { ConnectionRefused, connectSecurely, connectTls } from '../config-sync/cluster-connection.ts';
import type { LinkProxy } from '../config-sync/link-proxy.ts';
import type { Identity } from './identity-file.ts';
import { signingRequest } from './signing-request.ts';

/** The control plane has answered, and makes no certificate. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
  readonly code: EnrolmentRefusal | undefined;

  constructor(code: EnrolmentRefusal | undefined, message: string) {
    super(message);
    this.code = code;
  }
}

export interface AskOptions {
  signal: AbortSignal;
  /** An HTTP proxy to go through by CONNECT. */
  proxy?: LinkProxy | undefined;
}

const MAX_CHAIN = 8;

/**
 * Asks for a node's first certificate.
 *
 * @param key PEM; it stays here
 * @throws ConnectionRefused, CertificateRefused
 */
export async function askToJoin(
  address: Address,
  token: JoinToken,
  key: string,
  options: AskOptions,
): Promise<Enrolled> {
  // The CA is known by its public key only, so that TLS can't check the server: it is done here, before anything is sent.
  const socket = await connectTls(address, { rejectUnauthorized: false, servername: ENROLLED_SERVER_NAME }, options);
  try {
    const problem = pinProblem(socket, token.pin);
    if (problem !== undefined) {
      throw new ConnectionRefused(
        `the server at ${printAddress(address)} is not this token's control plane: ${problem}; the token was not sent`,
      );
    }
    const request = { token: printJoinToken(token), csr: signingRequest(key).toString('base64') };
    return await post(socket, address, JOIN_PATH, request, options.signal);
  } finally {
    socket.destroy();
  }
}

/**
 * Asks for another certificate, with one that may have ended.
 *
 * @param key PEM; of the new certificate
 * @throws ConnectionRefused, CertificateRefused
 */
export async function askToRenew(
  address: Address,
  identity: Identity,
  key: string,
  options: AskOptions,
): Promise<Enrolled> {
  const socket = await connectSecurely(address, { ...identity, mtls: 'enrolled' }, options);
  try {
    return await post(socket, address, RENEW_PATH, { csr: signingRequest(key).toString('base64') }, options.signal);
  } finally {
    socket.destroy();
  }
}

/** Why a server is not one of the control planes of the CA with this public key; undefined where it is. */
function pinProblem(socket: TLSSocket, pin: string): string | undefined {
  const chain = chainOf(socket);
  const [leaf] = chain;
  const authority = chain.find((certificate) => publicKeyPin(certificate) === pin);
  if (!leaf || !authority || authority === leaf) return 'its certificate is not signed by the CA that the token names';
  const problem = chainProblem(chain, [authority], Date.now()) ?? usageProblem(leaf, 'server', true);
  return problem === undefined ? undefined : `its certificate is not accepted: ${problem}`;
}

/** What the server has shown, its own certificate first. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let current = socket.getPeerCertificate(true) as DetailedPeerCertificate | undefined;
  while (current?.raw && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(current.raw));
    const next = current.issuerCertificate as DetailedPeerCertificate | undefined;
    current = next === current ? undefined : next;
  }
  return chain;
}

function post(socket: TLSSocket, address: Address, path: string, body: object, signal: AbortSignal): Promise<Enrolled> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = http.request({
      createConnection: () => socket,
      method: 'POST',
      path,
      signal,
      headers: {
        host: printAddress(address),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        connection: 'close',
      },
    });
    request.once('error', (error) =>
      reject(new ConnectionRefused(signal.aborted ? 'no answer came in time' : `it did not answer: ${error.message}`)),
    );
    request.once('response', (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        answer += chunk;
        if (answer.length > MAX_ENROLMENT_BYTES) response.destroy(new Error('its answer is too long'));
      });
      response.once('error', (error) => reject(new ConnectionRefused(error.message)));
      response.once('end', () => {
        try {
          resolve(read(response.statusCode ?? 0, answer));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.end(text);
  });
}

/** @throws CertificateRefused, ConnectionRefused */
function read(status: number, text: string): Enrolled {
  let answer: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) answer = parsed as Record<string, unknown>;
  } catch {
    // What is no JSON has none of the members that are looked for below.
  }
  const { code, message } = answer;
  if (status >= 400 && typeof code === 'string' && typeof message === 'string') {
    const plain = message.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 1000);
    throw new CertificateRefused(
      code as EnrolmentRefusal,
      `the control plane makes no certificate: ${plain} (${code})`,
    );
  }
  const { node_id, certificate, ca } = answer;
  if (status !== 200 || typeof node_id !== 'string' || typeof certificate !== 'string' || typeof ca !== 'string') {
    throw new ConnectionRefused(
      status === 404 || status === 403
        ? 'it makes no certificates: its cluster_mtls is not enrolled'
        : `it answered HTTP ${status} without a certificate`,
    );
  }
  return answer as unknown as Enrolled;
}
