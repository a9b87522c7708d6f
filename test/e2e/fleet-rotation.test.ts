import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

const REFERENCE = '{vault://aws-sm-vault/secret-name/foo}';
const CANARIES = ['canary-value-before-rotation', 'canary-value-after-rotation'] as const;

interface FleetReferences {
  data: Array<{
    vault: string;
    reference: string;
    data_planes: number;
    servings: Array<{ version_id: string; state: string; data_planes: number; oldest_age_s: number }>;
  }>;
  data_planes: { telling: number; complete: number };
}

let emulator: Emulator;
let deployment: Deployment;
before(async () => {
  emulator = await startEmulator();
  deployment = new Deployment();
});
after(async () => {
  await deployment?.stop();
  await emulator?.stop();
});

/** Runs `vaultplane-dp refresh …` beside a data plane. */
function refreshCommand(dp: DataPlane, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [DATA_PLANE_MAIN, 'refresh', ...args], { env: dp.env }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

it('a rotated secret is refreshed everywhere by one call, and the fleet tells when it has arrived', async () => {
  const first = emulator.putSecret(emulator.region, 'secret-name', { foo: CANARIES[0] }).versionId;
  emulator.putSecret(emulator.region, 'another', 'canary-of-another');
  const cp = await deployment.planControlPlane('cp');
  await cp.start();
  await cp.putVault('aws-sm-vault', { name: 'aws', 'config.region': emulator.region });
  const dps = [
    await deployment.planDataPlane('dp-1', cp, emulator.environment),
    await deployment.planDataPlane('dp-2', cp, emulator.environment),
  ] as const;
  for (const dp of dps) {
    await dp.start();
    await dp.caughtUpWith(cp);
    assert.equal((await dp.resolve(REFERENCE)).value, CANARIES[0]);
    await dp.resolve('{vault://aws-sm-vault/another}');
  }
  const references = async () =>
    (await cp.get('/clustering/references?vault=aws-sm-vault')) as unknown as FleetReferences;
  const rowOf = ({ data }: FleetReferences) =>
    data.find(({ reference }) => reference === '{vault://aws-sm-vault/secret-name}');
  const until = async (holds: (told: FleetReferences) => boolean) => {
    for (let told = await references(); ; told = await references()) {
      if (holds(told)) return told;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const before = await until((told) => rowOf(told)?.data_planes === 2);
  assert.deepEqual(before.data_planes, { telling: 2, complete: 2 });
  assert.deepEqual(
    rowOf(before)?.servings.map(({ oldest_age_s: _, ...serving }) => serving),
    [{ version_id: first, state: 'fresh', data_planes: 2 }],
  );

  const second = emulator.putSecret(emulator.region, 'secret-name', { foo: CANARIES[1] }).versionId;
  const answer = await fetch(`${cp.adminUrl}/vaults/aws-sm-vault/refresh`, { method: 'POST' });
  assert.equal(answer.status, 202);
  const { id } = (await answer.json()) as { id: string };
  const after = await until((told) => rowOf(told)?.servings.every(({ version_id }) => version_id === second) ?? false);
  assert.equal(rowOf(after)?.data_planes, 2);
  for (const dp of dps) assert.equal((await dp.resolve(REFERENCE)).value, CANARIES[1]);
  const progress = async () => await cp.get(`/clustering/commands/${id}`);
  while (((await progress()).data_planes as { done: number }).done !== 2) await progress();
  assert.deepEqual((await progress()).secrets, { asked: 4, refreshed: 4, changed: 2, failed: 0 });

  // The same on one node, by its operator.
  emulator.putSecret(emulator.region, 'secret-name', { foo: CANARIES[0] });
  const one = await refreshCommand(dps[0], 'aws-sm-vault/secret-name/foo');
  assert.deepEqual([one.status, one.stdout], [0, '1 of 1 secrets fetched, 1 with a new version\n'], one.stderr);
  assert.equal((await dps[0].resolve(REFERENCE)).value, CANARIES[0]);
  const all = await refreshCommand(dps[0], '--json');
  assert.deepEqual(JSON.parse(all.stdout), { asked: 2, refreshed: 2, changed: 0, failed: 0 });
  const unknown = await refreshCommand(dps[0], 'no-such-vault');
  assert.deepEqual(
    [unknown.status, unknown.stderr],
    [1, 'vaultplane-dp: unknown_vault: there is no vault no-such-vault\n'],
  );
  const wrong = await refreshCommand(dps[0], 'aws-sm-vault/%zz');
  assert.equal(wrong.status, 2);
  const codes: number[] = [];
  for (let count = 0; count < 20; count++) {
    const { status } = await fetch(`${dps[0].apiUrl}/v1/refresh`, {
      method: 'POST',
      headers: { 'x-vault-token': dps[0].token, 'content-type': 'application/json' },
      body: '{"of":"aws-sm-vault/another"}',
    });
    codes.push(status);
  }
  assert.deepEqual(new Set(codes), new Set([200, 429]));

  const listed = async () =>
    ((await cp.get('/clustering/data-planes')) as unknown as { data: Array<Record<string, unknown>> }).data;
  // Counts by vault come with the next report.
  while ((await listed()).some(({ vaults }) => (vaults as Array<{ fresh: number }>)[0]?.fresh !== 2)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const row of await listed()) {
    assert.equal(row.sync_status, 'normal');
    assert.ok((row.cert_expires_at as number) > Date.now() / 1000);
    assert.deepEqual(row.vaults, [{ prefix: 'aws-sm-vault', fresh: 2, stale: 0, resurrected: 0, negative: 0 }]);
  }
  assert.deepEqual(deployment.filesWith([...CANARIES, 'canary-of-another']), []);
});
