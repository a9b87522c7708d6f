/*
 * How a data plane gets a certificate of its own from the control plane's CA (`cluster_mtls = enrolled`): the paths on
 * cluster_listen, the token of an invitation, and what is said over both. The requests and answers are JSON.
 */

/** A node without a certificate asks here for its first; it shows none. */
export const JOIN_PATH = '/v1/join';
/** A node whose certificate has ended asks here for another, and shows the old one. */
export const RENEW_PATH = '/v1/renew';

/**
 * The name in every certificate that the CA makes for a control plane, and the TLS server name (SNI) by which a data plane
 * asks for that certificate: a control plane that still serves `cluster_mtls = shared` shows its shared one by default.
 */
export const ENROLLED_SERVER_NAME = 'control-plane.vaultplane.internal';

/** An answer of either path is at most this many bytes, and so is a request. */
export const MAX_ENROLMENT_BYTES = 64 * 1024;

/** What stands in an invitation's token. */
export interface JoinToken {
  /** Not secret. */
  id: string;
  /** 256 random bits, base64url. */
  secret: string;
  /** SHA-256 of the CA's public key (SubjectPublicKeyInfo, DER), base64url: what the server's chain must end in. */
  pin: string;
}

export interface JoinRequest {
  token: string;
  /** PKCS #10, DER, base64. Only its public key and the proof that the sender has the private one count. */
  csr: string;
}

export interface RenewRequest {
  /** As in a join; of the key that the new certificate is for. */
  csr: string;
}

/** A certificate that the CA has made, and whose. */
export interface Enrolled {
  node_id: string;
  name: string | null;
  labels: Record<string, string>;
  /** PEM. */
  certificate: string;
  /** The CA's certificate, PEM. */
  ca: string;
}

/** Why a control plane makes no certificate. The codes are stable; a data plane acts on `unknown_node` and `ended`. */
export type EnrolmentRefusal =
  | 'bad_request'
  | 'bad_token'
  | 'used_up'
  | 'expired'
  | 'revoked'
  | 'slow_down'
  | 'no_certificate'
  | 'foreign_certificate'
  | 'unknown_node'
  | 'not_newest'
  | 'ended'
  | 'unavailable';

/** What is answered in place of `Enrolled`, with a status of 400 or more. */
export interface Refused {
  code: EnrolmentRefusal;
  message: string;
}

const TOKEN = /^vpj_(?<id>[0-9a-f]{16})_(?<secret>[A-Za-z0-9_-]{43})_(?<pin>[A-Za-z0-9_-]{43})$/;

export function printJoinToken({ id, secret, pin }: JoinToken): string {
  return `vpj_${id}_${secret}_${pin}`;
}

/** Undefined where the text is no token of an invitation. */
export function parseJoinToken(text: string): JoinToken | undefined {
  return TOKEN.exec(text.trim())?.groups as JoinToken | undefined;
}
