import { fileURLToPath } from 'node:url';
import { shownName, shownPath, shownUrl } from '@vaultplane/platform/text/shown-text.ts';

/** Where a document is kept, as a setting says it. */
export type PlaceUrl =
  | { scheme: 'file'; path: string }
  | { scheme: 'https'; url: URL }
  | { scheme: 's3'; bucket: string; key: string };

/** What may be written, for errors. */
export const PLACE_URL_FORMS = 'file:///PATH, https://HOST/PATH or s3://BUCKET/KEY';

/** Source of the rule: S3's "Bucket naming rules". */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** Undefined where the text is none of PLACE_URL_FORMS. */
export function parsePlaceUrl(text: string): PlaceUrl | undefined {
  const s3 = /^s3:\/\/([^/]+)\/(.+)$/s.exec(text);
  if (s3) return BUCKET.test(s3[1]!) ? { scheme: 's3', bucket: s3[1]!, key: s3[2]! } : undefined;
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.hostname !== '' && url.hash === '') return { scheme: 'https', url };
  if (url?.protocol !== 'file:' || !/^file:\/\/\/[^/]/.test(text) || url.search !== '' || url.hash !== '')
    return undefined;
  try {
    const path = fileURLToPath(url);
    return path.endsWith('/') ? undefined : { scheme: 'file', path };
  } catch {
    return undefined;
  }
}

/** For people and logs: without the password, or the signature in a query, that a URL may hold. */
export function printPlaceUrl(place: PlaceUrl): string {
  switch (place.scheme) {
    case 'file':
      return `file://${shownPath(place.path)}`;
    case 'https':
      return shownUrl(place.url.href);
    case 's3':
      return `s3://${shownName(place.bucket)}/${shownName(place.key)}`;
  }
}
