import type { PlaceUrl } from '../place-url.ts';
import { FilePlace } from '../places/file.ts';
import { HttpsPlace } from '../places/https.ts';
import type { Place } from '../places/place.ts';
import { S3Place } from './aws/s3-place.ts';
import type { BackendContext } from './backend.ts';

export interface PlaceOptions {
  /** Whom TLS connections trust, and what finds AWS credentials. */
  context: BackendContext;
}

export function openPlace(url: PlaceUrl, { context }: PlaceOptions): Place {
  switch (url.scheme) {
    case 'file':
      return new FilePlace(url);
    case 'https':
      return new HttpsPlace(url, context);
    case 's3':
      return new S3Place(url, context);
  }
}
