import { StartError } from '@vaultplane/platform/errors.ts';
import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { PLACE_URL_FORMS, type PlaceUrl, parsePlaceUrl } from './place-url.ts';

/** The object below the prefix of cluster_fallback_config_storage. */
const OBJECT = 'vaultplane-config';

/** Kong's name for the place of config_export_url and config_fallback_url: a bucket, and perhaps a prefix in it. */
export const { cluster_fallback_config_storage: FALLBACK_STORAGE } = defineSettings({
  cluster_fallback_config_storage: {
    type: 'string',
    secret: true,
    description: `the bucket of cluster_fallback_config_export and _import, s3://BUCKET[/PREFIX]: ${OBJECT} below it is the signed snapshot`,
  },
});

type UrlSetting = 'config_export_url' | 'config_fallback_url';
type Switch = 'cluster_fallback_config_export' | 'cluster_fallback_config_import';
type Settings<U extends UrlSetting, S extends Switch> = Record<U, string | undefined> &
  Record<S, boolean> & { cluster_fallback_config_storage: string | undefined };

/**
 * The place that a setting of ours names, or Kong's switch and its storage; undefined where neither does.
 *
 * @throws StartError where one is malformed, storage is missing, or both name a place and the places differ
 */
export function placeOf<U extends UrlSetting, S extends Switch>(
  urlSetting: U,
  isOn: S,
  settings: Settings<U, S>,
): PlaceUrl | undefined {
  const url = settings[urlSetting];
  const place = url === undefined ? undefined : parsePlaceUrl(url);
  if (url !== undefined && !place) {
    throw new StartError(`${urlSetting} (not shown) is not allowed; it must be ${PLACE_URL_FORMS}`);
  }
  const storage = storageOf(settings.cluster_fallback_config_storage, urlSetting);
  if (!settings[isOn]) return place;
  if (!storage && !place) throw new StartError(`${isOn} = on needs cluster_fallback_config_storage`);
  if (storage && place && JSON.stringify(storage) !== JSON.stringify(place)) {
    throw new StartError(
      `${urlSetting} and cluster_fallback_config_storage name different places, and ${isOn} is on; leave one out`,
    );
  }
  return storage ?? place;
}

function storageOf(text: string | undefined, urlSetting: UrlSetting): PlaceUrl | undefined {
  if (text === undefined) return undefined;
  const place = text.startsWith('s3://') ? parsePlaceUrl(`${text.replace(/\/+$/, '')}/${OBJECT}`) : undefined;
  if (place) return place;
  throw new StartError(
    `cluster_fallback_config_storage (not shown) is not allowed; it must be s3://BUCKET or s3://BUCKET/PREFIX; for another place use ${urlSetting}`,
  );
}
