export const KEY_BYTES = 32;

/** The key of 32 bytes that a text spells, as 64 hex digits or as base64 (also base64url); undefined where it is none. */
export function keyOfText(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
