import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { destinationChanges, destinationOf } from './destination.ts';
import type { VaultConfig } from './entity.ts';

const hcv = (config: VaultConfig) => ({ name: 'hcv', config });

describe('the destination of a vault', () => {
  it('has the defaults in it, and nothing that does not decide who receives a credential', () => {
    assert.deepEqual(destinationOf(hcv({ host: 'vault.internal', token: 't', ttl: 60, mount: 'kv' })), {
      protocol: 'http',
      host: 'vault.internal',
      port: 8200,
      kube_auth_path: 'kubernetes',
      approle_auth_path: 'approle',
      jwt_auth_path: 'jwt',
      cert_auth_path: 'cert',
    });
    assert.deepEqual(destinationOf({ name: 'aws', config: { region: 'eu-west-1' } }), {});
    assert.deepEqual(destinationOf({ name: 'of-a-later-release', config: { any: 'x' } }), { any: 'x' });
  });

  it('is another where such a member is set, changed or taken away, and where the type is another', () => {
    assert.deepEqual(destinationChanges(hcv({ host: 'a' }), hcv({ host: 'a', port: 8200, ttl: 5 })), []);
    assert.deepEqual(destinationChanges(hcv({ host: 'a', port: 1 }), hcv({ host: 'b' })), [
      'config.host',
      'config.port',
    ]);
    assert.deepEqual(destinationChanges(hcv({}), hcv({ namespace: 'evil', ca_cert: 'x' })), [
      'config.namespace',
      'config.ca_cert',
    ]);
    assert.deepEqual(destinationChanges(hcv({}), { name: 'gcp', config: {} }), ['name']);
  });
});
