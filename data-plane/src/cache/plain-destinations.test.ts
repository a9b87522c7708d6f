import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { envVault } from '../testing/vault-entities.ts';
import { startResolver } from './resolver.ts';

it('vaults that a network can read along with are warned of at the start, before anybody asks, and once', () => {
  const lines: string[] = [];
  const resolver = startResolver({
    clock: systemClock,
    log: createLog('test', 'info', { write: (line) => lines.push(line) }),
    env: {},
    settings: {
      cache_max_entries: 10,
      cache_max_bytes: 1024,
      vault_hcv_protocol: 'http',
      vault_hcv_host: 'vault.internal',
      vault_hcv_token: 'some-token',
    },
  });
  try {
    const warned = () => lines.filter((line) => line.includes('plain http')).map((line) => JSON.parse(line).vault);
    const configure = (host: string) =>
      resolver.configure({
        snapshot: {
          ...{ timeline: '00000000-0000-4000-8000-000000000000', version: 1, hash: '0'.repeat(64) },
          vaults: [
            { ...envVault('pushed'), name: 'hcv', config: { host, token: 'another' } },
            { ...envVault('near'), name: 'hcv', config: { host: '127.0.0.1', token: 'another' } },
            { ...envVault('safe'), name: 'hcv', config: { protocol: 'https', host, token: 'another' } },
          ],
        },
        defaults: {},
      });
    configure('bao.internal');
    assert.deepEqual(warned().sort(), ['hcv', 'pushed']);
    configure('bao.internal');
    assert.equal(warned().length, 2);
    configure('another.internal');
    assert.deepEqual(warned().sort(), ['hcv', 'pushed', 'pushed']);
    assert.ok(!lines.join('').includes('some-token'));
  } finally {
    resolver.stop();
  }
});
