import type { TLSSocket } from 'node:tls';
import { type ExportKey, type ExportPublicKey, isSignedBy, publicKeyOf } from '../snapshots/export-key.ts';

/** In a control plane's welcome: that it has the export key, for this one TLS session. */
export interface ControlPlaneProof {
  /** DER (SubjectPublicKeyInfo). */
  public_key: Uint8Array;
  signature: Uint8Array;
}

/** Keying material for a label that nobody else uses (RFC 8446, 7.5, and RFC 5705, 4: those not registered begin with EXPERIMENTAL). */
const LABEL = 'EXPERIMENTAL vaultplane control plane';
const MATERIAL_BYTES = 32;

/**
 * Signs what only the two ends of this TLS session know. Whoever stands between them has two other sessions, and what was
 * signed for one of them is worth nothing on the other, nor at any other time.
 */
export function proveControlPlane(socket: TLSSocket, key: ExportKey): ControlPlaneProof {
  return { public_key: key.publicKey.spki, signature: key.sign('control plane of this link', sessionOf(socket)) };
}

/** The key that the peer of this TLS session has proven to have; undefined where the proof is none. */
export function provenKey(
  socket: TLSSocket,
  { public_key, signature }: ControlPlaneProof,
): ExportPublicKey | undefined {
  try {
    const key = publicKeyOf(public_key);
    return isSignedBy(key, 'control plane of this link', sessionOf(socket), signature) ? key : undefined;
  } catch {
    return undefined;
  }
}

function sessionOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(MATERIAL_BYTES, LABEL, Buffer.alloc(0));
}
