import { createPrivateKey, type KeyObject, sign, verify, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { certificatesIn, chainProblem, commonNameOf, validityProblem } from './certificate-chain.ts';
import { errorMessage } from './errors.ts';
import type { Keyring } from './keyring.ts';
import { type ConfigDefaults, decodeControlPlaneMessage, type EncodedMessage, vaultsOf } from './protocol.ts';
import { openSnapshot } from './sealed-snapshot.ts';
import type { Snapshot } from './snapshot.ts';

/*
 * A configuration that is kept elsewhere for data planes which find no control plane (CONTRACT.md §8). The document:
 * three lines of text, then the snapshot as the link's own message, compressed or not.
 *   vaultplane config.export 1
 *   signature of the line above and of all that follows this one, by the cluster key, in base64
 *   {"exported_at":…,"defaults":{…},"certificate":"PEM: the cluster certificate, and those that it is signed by"}
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

/** Whose exports a data plane takes: the same as it takes for its control planes (CONTRACT.md §2, cluster_mtls). */
export type ExportTrust =
  | { mtls: 'shared'; certificate: string }
  | {
      mtls: 'pki';
      /** PEM. */
      ca: string;
      allowedCommonNames?: readonly string[] | undefined;
      /** Any of these names or addresses the certificate must be for. */
      names: readonly string[];
    };

/** Makes the document. */
export function encodeExport(
  { bytes, compressed }: EncodedMessage,
  { defaults, exportedAt }: Pick<ExportedConfiguration, 'defaults' | 'exportedAt'>,
  identity: { certificate: string; key: string },
): Buffer {
  const header = { exported_at: new Date(exportedAt).toISOString(), defaults, certificate: identity.certificate };
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), compressed ?? bytes]);
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
  const header = parseHeader(headerText);
  const certificate = trustedCertificate(header.certificate, trust, now);
  const { publicKey } = certificate;
  const bytes = Buffer.from(signature, 'base64');
  // One text for one signature: no change of the document passes, whether it means anything or not.
  const isCanonical = bytes.toString('base64') === signature;
  if (!isCanonical || !verify(digestFor(publicKey), signed(document.subarray(bodyAt)), publicKey, bytes)) {
    throw new ExportRefused('its signature is wrong');
  }
  try {
    const message = decodeControlPlaneMessage(document.subarray(messageAt));
    if (message.type !== 'snapshot') throw new ExportRefused('it holds no snapshot');
    const { type: _, vaults, ...position } = message;
    return {
      snapshot: openSnapshot({ ...position, vaults: vaultsOf(vaults) }, keyring),
      defaults: header.defaults,
      exportedAt: Date.parse(header.exported_at),
    };
  } catch (error) {
    throw error instanceof ExportRefused ? error : new ExportRefused(errorMessage(error), { cause: error });
  }
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
function trustedCertificate(pem: string, trust: ExportTrust, now: number): X509Certificate {
  let chain: X509Certificate[];
  try {
    chain = certificatesIn(pem);
  } catch {
    throw new ExportRefused('its certificate can not be read');
  }
  const [certificate] = chain;
  if (!certificate) throw new ExportRefused('it has no certificate');
  const problem = trust.mtls === 'shared' ? sharedProblem(certificate, trust, now) : pkiProblem(chain, trust, now);
  if (problem !== undefined) throw new ExportRefused(`the certificate that signed it is not accepted: ${problem}`);
  return certificate;
}

function sharedProblem(
  certificate: X509Certificate,
  trust: Extract<ExportTrust, { mtls: 'shared' }>,
  now: number,
): string | undefined {
  const [own] = certificatesIn(trust.certificate);
  if (!own || !certificate.raw.equals(own.raw)) {
    return "it is another than this data plane's cluster_cert (cluster_mtls = shared: both sides need the same)";
  }
  return validityProblem(certificate, now);
}

function pkiProblem(
  chain: readonly X509Certificate[],
  trust: Extract<ExportTrust, { mtls: 'pki' }>,
  now: number,
): string | undefined {
  const problem = chainProblem(chain, certificatesIn(trust.ca), now);
  if (problem !== undefined) return problem;
  const certificate = chain[0]!;
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

/** Ed25519 and Ed448 bring their own. */
function digestFor({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType?.startsWith('ed') ? null : 'sha384';
}

function lineAt(bytes: Buffer, start: number): [line: string, next: number] {
  const end = bytes.subarray(0, start + LONGEST_LINE).indexOf(NEWLINE, start);
  if (end < 0) throw new ExportRefused('it ends too early');
  return [bytes.toString('utf8', start, end), end + 1];
}
