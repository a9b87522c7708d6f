import { googleError } from './google-error.ts';
import type { Secret } from './secret-store.ts';

/**
 * The part of Secret Manager's filter language that is about labels: `labels.KEY=VALUE`, `labels.KEY:*` and these
 * joined by AND. Source: the page on filtering secrets.
 *
 * @throws GoogleError INVALID_ARGUMENT for everything else
 */
export function labelFilter(filter: string): (secret: Secret) => boolean {
  if (filter.trim() === '') return () => true;
  const tests = filter
    .trim()
    .split(/\s+AND\s+/)
    .map(labelTest);
  return (secret) => tests.every((test) => test(secret));
}

function labelTest(term: string): (secret: Secret) => boolean {
  const parts = /^labels\.([\p{Ll}\p{Lo}\d_-]+)(=|:)(?:"([^"]*)"|(\S*))$/u.exec(term);
  const [, key, operator, quoted, bare] = parts ?? [];
  if (key === undefined || (operator === ':' && bare !== '*')) {
    throw googleError('INVALID_ARGUMENT', `Invalid filter: ${term}`);
  }
  if (operator === ':') return (secret) => secret.labels.has(key);
  return (secret) => secret.labels.get(key) === (quoted ?? bare);
}
