import { looksLikeReference } from '../references/reference-text.ts';
import type { ConfigValue } from './entity.ts';

/** A credential that stands elsewhere: where is no secret. */
export function isCredentialReference(value: ConfigValue | undefined): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(looksLikeReference);
  return typeof value === 'string' && looksLikeReference(value);
}
