import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { placeOf } from './fallback-storage.ts';

const place = (settings: { url?: string; isOn?: boolean; storage?: string }) =>
  placeOf('config_export_url', 'cluster_fallback_config_export', {
    config_export_url: settings.url,
    cluster_fallback_config_export: settings.isOn ?? false,
    cluster_fallback_config_storage: settings.storage,
  });
const OBJECT = { scheme: 's3', bucket: 'a-bucket', key: 'vaultplane-config' } as const;

describe('the place of cluster_fallback_config_storage', () => {
  it('is an object in the bucket, below the prefix', () => {
    for (const storage of ['s3://a-bucket', 's3://a-bucket/']) assert.deepEqual(place({ isOn: true, storage }), OBJECT);
    for (const storage of ['s3://a-bucket/a/b', 's3://a-bucket/a/b/']) {
      assert.deepEqual(place({ isOn: true, storage }), { ...OBJECT, key: 'a/b/vaultplane-config' });
    }
  });

  it('is used only where the switch is on', () => {
    assert.equal(place({ storage: 's3://a-bucket' }), undefined);
    assert.deepEqual(place({ url: 'file:///a', storage: 's3://a-bucket' }), { scheme: 'file', path: '/a' });
  });

  it('is what both settings name, or one of them; two that differ are refused', () => {
    const url = 's3://a-bucket/vaultplane-config';
    assert.deepEqual(place({ url, isOn: true, storage: 's3://a-bucket' }), OBJECT);
    assert.deepEqual(place({ url, isOn: true }), OBJECT);
    assert.throws(() => place({ url, isOn: true, storage: 's3://another' }), {
      name: 'StartError',
      message:
        'config_export_url and cluster_fallback_config_storage name different places, and cluster_fallback_config_export is on; leave one out',
    });
    assert.throws(() => place({ isOn: true }), {
      message: 'cluster_fallback_config_export = on needs cluster_fallback_config_storage',
    });
  });

  it('is refused in another form, used or not, and not shown', () => {
    for (const storage of ['gcs://canary', 'https://canary/x', 'canary', 's3://', 's3:///canary']) {
      for (const isOn of [true, false]) {
        assert.throws(() => place({ isOn, storage }), {
          message:
            'cluster_fallback_config_storage (not shown) is not allowed; it must be s3://BUCKET or s3://BUCKET/PREFIX; for another place use config_export_url',
        });
      }
    }
  });
});
