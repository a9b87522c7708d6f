import type { BackendContext } from '../backends/backend.ts';
import { FilePlace } from './file.ts';
import { HttpsPlace } from './https.ts';
import type { Place } from './place.ts';
import type { PlaceUrl } from './place-url.ts';
import { S3Place } from './s3.ts';

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
