import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ControlPlane, Deployment } from '../e2e/deployment.ts';
import { ENROLLED, invite, joinBy, planJoiner } from '../e2e/enrolled.ts';

let deployment: Deployment;
before(() => {
  deployment = new Deployment();
});
after(() => deployment?.stop());

describe('enrolment, embedded', () => {
  let cp: ControlPlane;
  before(async () => {
    cp = await deployment.planControlPlane('cp', ENROLLED);
    await cp.start();
    await cp.putVault('one', { name: 'env' });
  });

  it('a node joins, links, and works from what the control plane tells', async () => {
    const token = await invite(cp, '--name', 'machine-1', '--labels', 'zone:a');
    const dp = await planJoiner(deployment, 'dp', cp);
    const joined = await joinBy(token, dp, '--json');
    assert.equal(joined.status, 0, joined.stderr);
    const facts = JSON.parse(joined.stdout);
    assert.deepEqual([facts.joined, facts.name, facts.labels], [true, 'machine-1', { zone: 'a' }]);
    assert.equal(statSync(join(dp.dataDir, 'identity.pem')).mode & 0o777, 0o600);
    const again = await joinBy(token, dp);
    assert.deepEqual([again.status, /joined already/.test(again.stdout)], [0, true]);
    const program = await dp.start();
    await dp.caughtUpWith(cp);
    const { data } = (await cp.get('/clustering/data-planes')) as { data: Array<Record<string, unknown>> };
    assert.deepEqual(
      data.map(({ id, connected, labels }) => [id, connected, labels]),
      [[facts.node_id, true, { zone: 'a' }]],
    );
    await program.stop();
  });
});
