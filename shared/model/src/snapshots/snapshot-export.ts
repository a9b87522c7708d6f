import { createPrivateKey, sign, verify, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  certificatesIn,
  chainProblem,
  commonNameOf,
  publicKeyPin,
  usageProblem,
} from '@vaultplane/platform/crypto/certificate-chain.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { type ConfigDefaults, decodeControlPlaneMessage, type EncodedMessage, vaultsOf } from '../protocol/protocol.ts';
import { digestFor, type ExportKey, type ExportPublicKey, isSignedBy } from './export-key.ts';
import { openSnapshot } from './sealed-snapshot.ts';
import type { Snapshot } from './snapshot.ts';

/*
 * A configuration that is kept elsewhere for data planes which find no control plane (specification.md §8). The document:
 * three lines of text, then the snapshot as the link's own message, compressed or not.
 *   vaultplane config.export 1
 *   signature of the line above and of all that follows this one, by the control plane's certificate, in base64
 *   {"exported_at":…,"defaults":{…},"certificate":"PEM: that certificate, and those that it is signed by","signature":"…"}
 * The member `signature`, always the last, is by the export key, over the third line without it and all that follows:
 * what counts where a data plane knows that key. Release 0.1.0 reads the same document, and goes by the certificate.
 */
const MAGIC = 'vaultplane config.export 1';
const NEWLINE = 0x0a;
const LONGEST_LINE = 1024 * 1024;

export interface ExportedConfiguration {
  snapshot: Snapshot;
  defaults: ConfigDefaults;
  /** Milliseconds since 1970. */
  exportedAt: number;
}

/** A document that is no export of this cluster's control planes; it must not be used. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused';
}

/** Whose exports a data plane takes. */
export type ExportTrust =
  | { by: 'key'; keys: readonly ExportPublicKey[] }
  | {
      /** Those of control planes, as on the link (specification.md §2, cluster_mtls). */
      by: 'authority';
      /** PEM; or only the pin of its public key, for who has no more of it: the certificate itself is in the export then. */
      ca: string | { pin: string };
      allowedCommonNames?: readonly string[] | undefined;
      /** Any of these names or addresses the certificate must be for. */
      names: readonly string[];
      /** Whether a certificate that is for clients too, as those of 0.1.0 are, may not sign. */
      strictUsage: boolean;
    };

/** Makes the document. */
export function encodeExport(
  { bytes, compressed }: EncodedMessage,
  { defaults, exportedAt }: Pick<ExportedConfiguration, 'defaults' | 'exportedAt'>,
  identity: { certificate: string; key: string },
  exportKey?: ExportKey | undefined,
): Buffer {
  const facts = { exported_at: new Date(exportedAt).toISOString(), defaults, certificate: identity.certificate };
  const message = compressed ?? bytes;
  const header = JSON.stringify(facts);
  const keySignature = exportKey?.sign('config.export', bodyOf(header, message)).toString('base64');
  const body = bodyOf(keySignature === undefined ? header : withSignature(header, keySignature), message);
  const key = createPrivateKey(identity.key);
  const signature = sign(digestFor(key), signed(body), key).toString('base64');
  return Buffer.concat([Buffer.from(`${MAGIC}\n${signature}\n`), body]);
}

/**
 * Checks a document and gives what is in it.
 *
 * @param now ms since 1970, for the validity of certificates
 * @param keyring opens the credentials in it
 * @throws ExportRefused, saying what is wrong
 */
export function openExport(
  document: Buffer,
  trust: ExportTrust,
  now: number,
  keyring?: Keyring | undefined,
): ExportedConfiguration {
  const [magic, afterMagic] = lineAt(document, 0);
  if (magic !== MAGIC) throw new ExportRefused(`it does not begin with "${MAGIC}"`);
  const [signature, bodyAt] = lineAt(document, afterMagic);
  const [headerText, messageAt] = lineAt(document, bodyAt);
  const message = document.subarray(messageAt);
  const header =
    trust.by === 'key'
      ? headerSignedByKey(headerText, message, trust.keys)
      : headerSignedByCertificate(headerText, document.subarray(bodyAt), signature, trust, now);
  try {
    const decoded = decodeControlPlaneMessage(message);
    if (decoded.type !== 'snapshot') throw new ExportRefused('it holds no snapshot');
    const { type: _, vaults, ...position } = decoded;
    return {
      snapshot: openSnapshot({ ...position, vaults: vaultsOf(vaults) }, keyring),
      defaults: header.defaults,
      exportedAt: Date.parse(header.exported_at),
    };
  } catch (error) {
    throw error instanceof ExportRefused ? error : new ExportRefused(errorMessage(error), { cause: error });
  }
}

function headerSignedByKey(text: string, message: Buffer, keys: readonly ExportPublicKey[]): Header {
  const parts = SIGNED_HEADER.exec(text);
  if (!parts) {
    throw new ExportRefused(
      'no export key has signed it; its control plane is of release 0.1.0, or has none (keyring_key_file or config_export_key_file gives it one)',
    );
  }
  const header = `${parts[1]}}`;
  const signature = signatureIn(parts[2]!);
  if (!signature || !keys.some((key) => isSignedBy(key, 'config.export', bodyOf(header, message), signature))) {
    const trusted = keys.map(({ fingerprint }) => `SHA-256 ${fingerprint}`).join(', ');
    throw new ExportRefused(`it is not signed by the export key that this data plane trusts (${trusted})`);
  }
  return parseHeader(header);
}

function headerSignedByCertificate(
  text: string,
  body: Buffer,
  signatureText: string,
  trust: Extract<ExportTrust, { by: 'authority' }>,
  now: number,
): Header {
  const header = parseHeader(text);
  const { publicKey } = trustedCertificate(header.certificate, trust, now);
  const signature = signatureIn(signatureText);
  if (!signature || !verify(digestFor(publicKey), signed(body), publicKey, signature)) {
    throw new ExportRefused('its signature is wrong');
  }
  return header;
}

/** One text for one signature: no change of the document passes, whether it means anything or not. */
function signatureIn(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** A header with the signature of the export key: what it was before, and the signature. */
const SIGNED_HEADER = /^(\{.*),"signature":"([A-Za-z0-9+/=]+)"\}$/;

function withSignature(header: string, signature: string): string {
  return `${header.slice(0, -1)},"signature":"${signature}"}`;
}

function bodyOf(header: string, message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${header}\n`), message]);
}

interface Header {
  exported_at: string;
  defaults: ConfigDefaults;
  certificate: string;
}

/** Nothing of it is proven before the signature is. */
function parseHeader(text: string): Header {
  let header: Partial<Header> | null = null;
  try {
    header = JSON.parse(text) as Partial<Header>;
  } catch {}
  const { exported_at, defaults, certificate } = header ?? {};
  if (typeof certificate !== 'string' || typeof defaults !== 'object' || defaults === null) {
    throw new ExportRefused('its header is incomplete');
  }
  if (typeof exported_at !== 'string' || Number.isNaN(Date.parse(exported_at))) {
    throw new ExportRefused('its header has no date');
  }
  return { exported_at, defaults, certificate };
}

/** The certificate that signed, once it is one of this cluster's control planes. */
function trustedCertificate(
  pem: string,
  trust: Extract<ExportTrust, { by: 'authority' }>,
  now: number,
): X509Certificate {
  let chain: X509Certificate[];
  try {
    chain = certificatesIn(pem);
  } catch {
    throw new ExportRefused('its certificate can not be read');
  }
  const [certificate] = chain;
  if (!certificate) throw new ExportRefused('it has no certificate');
  const problem = certificateProblem(chain, trust, now);
  if (problem !== undefined) throw new ExportRefused(`the certificate that signed it is not accepted: ${problem}`);
  return certificate;
}

function certificateProblem(
  chain: readonly X509Certificate[],
  trust: Extract<ExportTrust, { by: 'authority' }>,
  now: number,
): string | undefined {
  const certificate = chain[0]!;
  const { ca } = trust;
  const authorities =
    typeof ca === 'string' ? certificatesIn(ca) : chain.slice(1).filter((each) => publicKeyPin(each) === ca.pin);
  const problem = chainProblem(chain, authorities, now) ?? usageProblem(certificate, 'server', trust.strictUsage);
  if (problem !== undefined) return problem;
  const isFor = (name: string) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
  if (!trust.names.some(isFor)) {
    return `it is for none of the names ${trust.names.join(', ')}; cluster_server_name says which it must be for`;
  }
  const commonName = commonNameOf(certificate);
  if (trust.allowedCommonNames && !trust.allowedCommonNames.includes(commonName)) {
    return `cluster_allowed_common_names does not allow its common name ${JSON.stringify(commonName.slice(0, 64))}`;
  }
  return undefined;
}

/** The magic line belongs to it, so that a signature of this key for anything else is none for this. */
function signed(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${MAGIC}\n`), body]);
}

function lineAt(bytes: Buffer, start: number): [line: string, next: number] {
  const end = bytes.subarray(0, start + LONGEST_LINE).indexOf(NEWLINE, start);
  if (end < 0) throw new ExportRefused('it ends too early');
  return [bytes.toString('utf8', start, end), end + 1];
}
