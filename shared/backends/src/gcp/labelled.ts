import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretTag } from '../backend.ts';
import { callGoogle, type GoogleCall } from './call.ts';
import type { GoogleCredentials } from './credential-sources.ts';

const PAGE_SIZE = '250';
/** A secret has at most 64 labels of 126 bytes and 16 KiB of annotations. Source: the quotas of Secret Manager. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** More secrets than this are no selection. */
const MOST_PAGES = 1000;
/** Source: the page on labels of Secret Manager. */
const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

/**
 * The names of the secrets that carry a label, by ListSecrets.
 *
 * @throws BackendError
 */
export async function findByLabel(
  { key, value }: SecretTag,
  options: Omit<GoogleCall, 'operation' | 'subject' | 'urlFor'> & {
    urlFor(credentials: GoogleCredentials, query: URLSearchParams): URL;
  },
): Promise<string[]> {
  // No secret can carry it, and Google would take it for a filter of another meaning.
  if (!LABEL_KEY.test(key) || (value !== undefined && !LABEL_VALUE.test(value))) return [];
  const subject = `the list of secrets with label ${JSON.stringify(value === undefined ? key : `${key}=${value}`)}`;
  const filter = value === undefined || value === '' ? `labels.${key}:*` : `labels.${key}=${value}`;
  const names: string[] = [];
  let pageToken = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const query = new URLSearchParams({ filter, pageSize: PAGE_SIZE, ...(pageToken && { pageToken }) });
    const call = {
      ...options,
      operation: 'ListSecrets',
      subject,
      maxBytes: MAX_PAGE_BYTES,
      urlFor: (credentials: GoogleCredentials) => options.urlFor(credentials, query),
    };
    pageToken = await callGoogle(call, ({ secrets = [], nextPageToken = '' }) => {
      if (!Array.isArray(secrets) || typeof nextPageToken !== 'string') {
        throw new BackendError('unavailable', `${subject}: ${options.target} answered with something that is no list`);
      }
      for (const { name, labels } of secrets as Array<{ name?: unknown; labels?: Record<string, unknown> }>) {
        const carries = labels && Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
        if (typeof name === 'string' && carries) names.push(name.slice(name.lastIndexOf('/') + 1));
      }
      return nextPageToken;
    });
    if (pageToken === '') break;
  }
  return names;
}
