import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/*
 * A certificate signing request (PKCS #10, RFC 2986), written by hand: the library that control planes make certificates
 * with takes 90 ms and 27 MB to load.
 */

const SEQUENCE = 0x30;
const SET_0 = 0xa0;
const BIT_STRING = 0x03;
const INTEGER_0 = Buffer.from([0x02, 0x01, 0x00]);
/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758). */
const ECDSA_WITH_SHA256 = Buffer.from([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);

/** A private key of the curve P-256, PEM (PKCS #8). */
export function makePrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A request for a certificate of this key, DER. It names nobody: who the node is, the control plane says. */
export function signingRequest(privateKey: string): Buffer {
  const key = createPrivateKey(privateKey);
  const info = der(SEQUENCE, INTEGER_0, der(SEQUENCE), publicKeyOf(key), der(SET_0));
  const signature = sign('sha256', info, key);
  return der(SEQUENCE, info, der(SEQUENCE, ECDSA_WITH_SHA256), der(BIT_STRING, Buffer.from([0]), signature));
}

function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** An element of DER: its tag, its length, its content. */
function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const { length } = body;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), body]);
}
