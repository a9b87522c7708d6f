import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** What a signature is for: it belongs to what is signed, so that no signature can be used for another purpose. */
export type SigningPurpose = 'config.export' | 'control plane of this link';

export const EXPORT_KEY_KINDS = 'an Ed25519 or P-384 key';
const LONGEST_SIGNATURE = 256;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const PUBLIC_KEY = /-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/g;

/** The public half of an export key: what data planes have of it. */
export interface ExportPublicKey {
  key: KeyObject;
  /** As DER (SubjectPublicKeyInfo). */
  spki: Buffer;
  /** SHA-256 of `spki`, in hex. */
  fingerprint: string;
}

/**
 * The key of a cluster's control planes, which no data plane has. Exports are signed with it, and a control plane proves
 * with it over a link that it is one: under `cluster_mtls = shared` its certificate, which data planes have too, can't.
 */
export class ExportKey {
  readonly #key: KeyObject;
  readonly publicKey: ExportPublicKey;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.publicKey = describe(createPublicKey(key));
  }

  /** A new key, Ed25519. */
  static generate(): ExportKey {
    return new ExportKey(generateKeyPairSync('ed25519').privateKey);
  }

  /** @throws Error that says nothing of what the text holds */
  static parse(pem: string): ExportKey {
    let key: KeyObject;
    try {
      key = createPrivateKey(pem);
    } catch {
      throw new Error('it holds no private key (PEM)');
    }
    if (!isOfKind(key)) throw new Error(`its key must be ${EXPORT_KEY_KINDS}`);
    return new ExportKey(key);
  }

  /** The private key, PKCS #8 PEM. */
  get pem(): string {
    return this.#key.export({ type: 'pkcs8', format: 'pem' }) as string;
  }

  sign(purpose: SigningPurpose, bytes: Uint8Array): Buffer {
    return sign(digestFor(this.#key), signed(purpose, bytes), this.#key);
  }
}

/** Whether the holder of a key has signed these bytes for this purpose. */
export function isSignedBy(
  { key }: ExportPublicKey,
  purpose: SigningPurpose,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  return signature.length <= LONGEST_SIGNATURE && verify(digestFor(key), signed(purpose, bytes), key, signature);
}

/** @throws Error for what is no public key of a kind that is used here */
export function publicKeyOf(spki: Uint8Array): ExportPublicKey {
  const key = createPublicKey({ key: Buffer.from(spki), type: 'spki', format: 'der' });
  if (!isOfKind(key)) throw new Error(`it must be ${EXPORT_KEY_KINDS}`);
  return describe(key);
}

/**
 * The public keys of a PEM text: usually one, and two while one replaces the other.
 *
 * @throws Error that says nothing of what the text holds
 */
export function publicKeysIn(pem: string): ExportPublicKey[] {
  if (PRIVATE_KEY.test(pem)) throw new Error('it holds a private key; only the public half belongs there');
  const blocks = pem.match(PUBLIC_KEY) ?? [];
  if (blocks.length === 0) throw new Error('it holds no public key (PEM)');
  return blocks.map((block) => {
    let key: KeyObject;
    try {
      key = createPublicKey(block);
    } catch {
      throw new Error('it holds a public key that can not be read');
    }
    if (!isOfKind(key)) throw new Error(`its key must be ${EXPORT_KEY_KINDS}`);
    return describe(key);
  });
}

export function publicKeyPem({ key }: ExportPublicKey): string {
  return key.export({ type: 'spki', format: 'pem' }) as string;
}

/** Ed25519 and Ed448 bring their own digest. */
export function digestFor({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType?.startsWith('ed') ? null : 'sha384';
}

function isOfKind({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'ed25519') return true;
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'secp384r1';
}

function describe(key: KeyObject): ExportPublicKey {
  const spki = key.export({ type: 'spki', format: 'der' });
  return { key, spki, fingerprint: createHash('sha256').update(spki).digest('hex') };
}

function signed(purpose: SigningPurpose, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`vaultplane ${purpose} 1\n`), bytes]);
}
