import { isUtf8 } from 'node:buffer';
import { VaultplaneError } from '../errors/vaultplane-error.ts';

/** A value as it is delivered: its text or, of one that is no text, its base64. */
export interface Delivered {
  readonly value: string;
  readonly encoding: 'base64' | undefined;
}

/** Padding may be left out, as for nginx's decoder, which Kong has. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/**
 * What base64 stands for. Lines may be broken, as base64(1) does.
 *
 * @throws VaultplaneError not_base64, which shows nothing of the value
 */
export function decodeBase64(text: string): Delivered {
  const base64 = text.replaceAll(/[\r\n]/g, '');
  if (!BASE64.test(base64)) {
    throw new VaultplaneError('not_base64', 'the value is no base64, and base64_decode is set');
  }
  const bytes = Buffer.from(base64, 'base64');
  return isUtf8(bytes)
    ? { value: bytes.toString('utf8'), encoding: undefined }
    : { value: bytes.toString('base64'), encoding: 'base64' };
}
