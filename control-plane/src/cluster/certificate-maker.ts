import { randomBytes, webcrypto } from 'node:crypto';
// What @peculiar/x509 is built with needs it, and does not bring it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-384' } as const;
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-384' } as const;
const SHARED_COMMON_NAME = 'vaultplane_clustering';
const YEARS = 10;

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
      ...leafExtensions(SHARED_COMMON_NAME),
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
export async function makeNodeCertificate(authority: CertificatePair, node: string): Promise<CertificatePair> {
  const ca = new x509.X509Certificate(authority.certificate);
  const signingKey = await importKey(authority.key);
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(),
    subject: `CN=${node}`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...leafExtensions(node),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
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

function leafExtensions(name: string): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
  ];
}

function validity(): { serialNumber: string; notBefore: Date; notAfter: Date } {
  // An hour back, for machines whose clocks are behind.
  const notBefore = new Date(Date.now() - 3_600_000);
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + YEARS);
  // Positive, as RFC 5280 wants: the first bit is 0.
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return { serialNumber: serial.toString('hex'), notBefore, notAfter };
}
