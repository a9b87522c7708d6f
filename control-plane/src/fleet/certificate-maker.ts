import { randomBytes, webcrypto } from 'node:crypto';
// What @peculiar/x509 is built with needs it, and does not bring it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-384' } as const;
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-384' } as const;
const SHARED_COMMON_NAME = 'vaultplane_clustering';
const YEARS = 10;

/** What a certificate is for: `both` are those of 0.1.0, and the shared one. */
export type Usage = 'server' | 'client' | 'both';

/** A certificate and its private key, both PEM. */
export interface CertificatePair {
  certificate: string;
  key: string;
}

/** One certificate that every program of the cluster shows (`cluster_mtls = shared`); self-signed, for 10 years. */
export async function makeSharedCertificate(): Promise<CertificatePair> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: `CN=${SHARED_COMMON_NAME}`,
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...leafExtensions([{ type: 'dns', value: SHARED_COMMON_NAME }], 'both'),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A certificate authority for `cluster_mtls = pki`; for 10 years. */
export async function makeAuthority(): Promise<CertificatePair> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: 'CN=vaultplane_cluster_ca',
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A certificate of a node's own, its name as CN and DNS name, signed by the authority; for 10 years. */
export async function makeNodeCertificate(
  authority: CertificatePair,
  node: string,
  usage: Usage,
): Promise<CertificatePair> {
  const keys = await makeKeys();
  const { certificate } = await issueCertificate(authority, {
    ...validity(),
    commonName: node,
    names: [{ type: 'dns', value: node }],
    publicKey: keys.publicKey,
    usage,
  });
  return { certificate, key: await exportKey(keys.privateKey) };
}

/** A pair of a control plane's own, for a server alone. */
export async function makeServerCertificate(
  authority: CertificatePair,
  options: { commonName: string; name: string; notBefore: Date; notAfter: Date },
): Promise<CertificatePair> {
  const { commonName, name, notBefore, notAfter } = options;
  const keys = await makeKeys();
  const { certificate } = await issueCertificate(authority, {
    commonName,
    names: [{ type: 'dns', value: name }],
    publicKey: keys.publicKey,
    usage: 'server',
    serialNumber: newSerial(),
    notBefore,
    notAfter,
  });
  return { certificate, key: await exportKey(keys.privateKey) };
}

/** A certificate, for a client alone, of a key that somebody else has. `publicKey` is SubjectPublicKeyInfo, DER. */
export async function makeClientCertificate(
  authority: CertificatePair,
  options: { nodeId: string; publicKey: Uint8Array; notBefore: Date; notAfter: Date },
): Promise<{ certificate: string; serial: string }> {
  const { nodeId, publicKey, notBefore, notAfter } = options;
  return issueCertificate(authority, {
    commonName: nodeId,
    names: [{ type: 'url', value: `urn:uuid:${nodeId}` }],
    publicKey: new x509.PublicKey(new Uint8Array(publicKey)),
    usage: 'client',
    serialNumber: newSerial(),
    notBefore,
    notAfter,
  });
}

/**
 * The public key (SubjectPublicKeyInfo, DER) of a certificate signing request (PKCS #10, DER) whose sender has the
 * private one, as its signature shows. Nothing else in it is looked at.
 *
 * @throws Error for what is no such request
 */
export async function publicKeyOfRequest(der: Uint8Array): Promise<Buffer> {
  const request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
  if (!(await request.verify())) throw new Error('its signature is wrong');
  return Buffer.from(request.publicKey.rawData);
}

interface CertificateOptions {
  commonName: string;
  names: x509.JsonGeneralName[];
  publicKey: webcrypto.CryptoKey | x509.PublicKey;
  usage: Usage;
  serialNumber: string;
  notBefore: Date;
  notAfter: Date;
}

async function issueCertificate(
  authority: CertificatePair,
  { commonName, names, publicKey, usage, ...validity }: CertificateOptions,
): Promise<{ certificate: string; serial: string }> {
  const ca = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: `CN=${commonName}`,
    issuer: ca.subject,
    publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...leafExtensions(names, usage),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), serial: validity.serialNumber };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  return webcrypto.subtle.importKey('pkcs8', der!, KEY_ALGORITHM, false, ['sign']);
}

const EXTENDED_USAGES: Readonly<Record<Usage, x509.ExtendedKeyUsage[]>> = {
  server: [x509.ExtendedKeyUsage.serverAuth],
  client: [x509.ExtendedKeyUsage.clientAuth],
  both: [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
};

function leafExtensions(names: x509.JsonGeneralName[], usage: Usage): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(EXTENDED_USAGES[usage]),
    new x509.SubjectAlternativeNameExtension(names),
  ];
}

function validity(): { serialNumber: string; notBefore: Date; notAfter: Date } {
  // An hour back, for machines whose clocks are behind.
  const notBefore = new Date(Date.now() - 3_600_000);
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + YEARS);
  return { serialNumber: newSerial(), notBefore, notAfter };
}

/** 126 random bits. Positive, as RFC 5280 wants: the first bit is 0; and the second 1, so that it always has 32 digits. */
function newSerial(): string {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial.toString('hex');
}
