import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { WITHHELD } from '@vaultplane/model/vaults/mask.ts';
import { isWithheld } from '@vaultplane/model/vaults/sensitive.ts';
import { VaultDirectory } from './vault-directory.ts';

const snapshotOf = (config: VaultConfig, id = '11111111-1111-4111-8111-111111111111') =>
  makeSnapshot('00000000-0000-4000-8000-000000000000', 1, [
    {
      ...{ id, prefix: 'hcv-vault', name: 'hcv', description: null, config, tags: null },
      ...{ created_at: 1, updated_at: 1 },
    },
  ]);

describe('a vault whose credential the control plane can not give any more', () => {
  const withheldAfter = (config: VaultConfig, id?: string): boolean => {
    const directory = new VaultDirectory({});
    directory.configure(snapshotOf({ host: 'vault.internal', token: 'a-token', ttl: 1 }), {});
    directory.configure(snapshotOf({ token: WITHHELD, ...config }, id), {});
    const { config: now } = directory.get('hcv-vault');
    assert.ok(isWithheld(now.token) || now.token === 'a-token');
    return isWithheld(now.token);
  };

  it('goes on with the one that is held, for the same destination', () => {
    assert.equal(withheldAfter({ host: 'vault.internal' }), false);
    assert.equal(withheldAfter({ host: 'vault.internal', port: 8200, ttl: 60, mount: 'kv' }), false);
  });

  it('never has it for another destination or vault', () => {
    const elsewhere: VaultConfig[] = [
      { port: 8201 },
      { host: 'evil.example' },
      { protocol: 'https' },
      { ca_cert: '/x' },
    ];
    for (const config of elsewhere) {
      assert.ok(withheldAfter({ host: 'vault.internal', ...config }), JSON.stringify(config));
    }
    assert.ok(withheldAfter({ host: 'vault.internal' }, '22222222-2222-4222-8222-222222222222'));
  });
});

describe("a control plane's default region", () => {
  const regionOf = (region: string) => {
    const directory = new VaultDirectory({});
    directory.configure(null, { vault_aws_region: region });
    return directory.get('aws').config.region;
  };

  it("is that of the data plane's own aws vault", () => {
    assert.equal(regionOf('eu-central-1'), 'eu-central-1');
  });

  it('is not used where it would make a host name of something else than a region', () => {
    // secretsmanager.s3.amazonaws.com is a bucket.
    for (const region of ['s3', 'fips-s3.x', 'evil.example', 'evil.example/#', 'x@evil.example', '']) {
      assert.equal(regionOf(region), undefined, region);
    }
  });
});
