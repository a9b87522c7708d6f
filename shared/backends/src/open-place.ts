import type { PlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { S3Place } from './aws/s3-place.ts';
import type { BackendContext } from './backend.ts';
import { FilePlace } from './blob-store/file.ts';
import { HttpsPlace } from './blob-store/https.ts';
import type { Place } from './blob-store/place.ts';

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
