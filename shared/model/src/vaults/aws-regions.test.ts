import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isKnownRegion } from './aws-regions.ts';
import { doubtsOf } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

const REGION = /"([a-z]{2,4}(?:-[a-z]+)+-\d+)": \{/g;

it('the known regions are those of the partitions that the installed AWS SDK has', () => {
  const store = join(dirname(fileURLToPath(import.meta.url)), '../../../../node_modules/.pnpm');
  const [core] = readdirSync(store)
    .filter((name) => name.startsWith('@aws-sdk+core@'))
    .toSorted()
    .slice(-1);
  const path = '@aws-sdk/core/dist-es/submodules/client/util-endpoints/lib/aws/partitions.js';
  const text = readFileSync(join(store, core!, 'node_modules', path), 'utf8');
  const regions = [...text.matchAll(REGION)].map(([, region]) => region!);
  assert.ok(regions.length > 40, String(regions));
  assert.deepEqual(
    regions.filter((region) => !isKnownRegion(region)),
    [],
  );
  for (const none of ['us-esat-1', 'eu-central-9', 'aws-global', 'europe-west1'])
    assert.equal(isKnownRegion(none), false);
});

it('a region is doubted where it is set, be that in the environment', () => {
  const aws = VAULT_TYPES.get('aws');
  const doubt = 'us-esat-1 is no region of AWS that this release knows; is it spelt right?';
  assert.deepEqual(doubtsOf(aws, { region: 'us-esat-1' }, { AWS_REGION: 'us-east-1' }), [`config.region: ${doubt}`]);
  assert.deepEqual(doubtsOf(aws, {}, { AWS_REGION: 'us-esat-1' }), [`AWS_REGION: ${doubt}`]);
  assert.deepEqual(doubtsOf(aws, {}, { AWS_DEFAULT_REGION: 'us-esat-1' }), [`AWS_DEFAULT_REGION: ${doubt}`]);
  for (const [config, env] of [
    [{}, {}],
    [{ region: 'us-east-1' }, { AWS_REGION: 'us-esat-1' }],
    [{}, { AWS_REGION: 'cn-north-1' }],
  ] as const) {
    assert.deepEqual(doubtsOf(aws, config, env), []);
  }
});
