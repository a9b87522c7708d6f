import assert from 'node:assert/strict';
import { it } from 'node:test';
import { labelsOf, loadDataPlaneSettings } from './settings.ts';

it('labels are KEY:VALUE, as in kong.conf, and others are refused', async () => {
  const load = (value: string) => loadDataPlaneSettings({ env: { VAULTPLANE_CLUSTER_DP_LABELS: value } });
  assert.deepEqual(labelsOf(await load('zone:eu-west-1a, tier:shop')), { zone: 'eu-west-1a', tier: 'shop' });
  assert.deepEqual(labelsOf(await loadDataPlaneSettings({ env: {} })), {});
  for (const wrong of ['zone', 'zone:', ':a', 'a:b:c', `a:${'x'.repeat(64)}`, '-a:b']) {
    await assert.rejects(load(wrong), /cluster_dp_labels.*is not allowed; it must be a list of KEY:VALUE/, wrong);
  }
});
