import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { checkCommand } from './check-command.ts';
import { CONTROL_PLANE_MAIN, Deployment } from './deployment.ts';

const DOUBT = 'us-esat-1 is no region of AWS that this release knows; is it spelt right?';
const WARNING = `config.region: ${DOUBT}`;

it('what a vault lacks is said when it is saved, and what is doubtful about it there and in check', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const controlPlane = await deployment.planControlPlane('cp', { VAULTPLANE_VAULT_AWS_REGION: 'us-esat-1' });
  const control = await controlPlane.start();
  const call = async (method: string, path: string, body: unknown) => {
    const answer = await fetch(controlPlane.adminUrl + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const json = (await answer.json()) as { [member: string]: unknown };
    return { status: answer.status, json, warning: answer.headers.get('warning') };
  };

  for (const [config, fields] of [
    [{}, { token: 'required field missing for auth_method token' }],
    [{ auth_method: 'approle', approle_secret_id: 's' }, { approle_role_id: /^required field missing/ }],
    [{ auth_method: 'approle', approle_role_id: ' ', approle_secret_id: 's' }, { approle_role_id: /only spaces/ }],
    [{ auth_method: 'kubernetes', kube_role: ' ' }, { kube_role: /only spaces/ }],
  ] as const) {
    const { status, json } = await call('PUT', '/vaults/hcv-vault', { name: 'hcv', config });
    assert.equal(status, 400, JSON.stringify(json));
    const { config: told } = json.fields as { config: Record<string, string> };
    for (const [name, expected] of Object.entries(fields)) assert.match(told[name]!, new RegExp(expected));
  }
  const token = { token: '{vault://env/HCV_TOKEN}' };
  assert.equal((await call('PUT', '/vaults/hcv-vault', { name: 'hcv', config: token })).status, 200);
  assert.equal((await call('PATCH', '/vaults/hcv-vault', { config: { kv: 'v2' } })).status, 200);
  assert.equal((await call('PATCH', '/vaults/hcv-vault', { config: { token: null } })).status, 400);
  assert.equal((await call('PATCH', '/vaults/hcv-vault', { config: { auth_method: 'approle' } })).status, 400);

  const made = await call('POST', '/vaults', { name: 'aws', prefix: 'typo', config: { region: 'us-esat-1' } });
  assert.deepEqual([made.status, made.json.warnings, made.warning], [201, [WARNING], `299 - "${WARNING}"`]);
  const back = await call('PUT', '/vaults/typo', made.json);
  assert.deepEqual([back.status, back.json.warnings], [200, [WARNING]]);
  const changed = await call('PATCH', '/vaults/typo', { description: 'another' });
  assert.deepEqual(changed.json.warnings, [WARNING]);
  const right = await call('PUT', '/vaults/right', { name: 'aws', config: { region: 'eusc-de-east-1' } });
  assert.deepEqual([right.status, right.json.warnings, right.warning], [200, undefined, null]);
  const document = await controlPlane.get('/config');
  const applied = await call('POST', '/config', document);
  assert.deepEqual([applied.status, applied.json.warnings], [201, [`vault typo: ${WARNING}`]]);

  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'key',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
  });
  await dataPlane.start();
  await dataPlane.savedWhatIsOf(controlPlane);
  const { all } = await checkCommand(dataPlane.env);
  const { findings } = JSON.parse(all) as { findings: Array<{ what: string; ok: boolean; says: string }> };
  const warnings = findings.filter(({ says }) => says.includes(DOUBT));
  assert.ok(
    warnings.some(({ what, ok, says }) => what === 'vault typo' && ok && says === `WARNING: ${WARNING}`),
    all,
  );

  await control.stop();
  const file = join(deployment.folder, 'config.json');
  writeFileSync(file, JSON.stringify(document));
  const run = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [CONTROL_PLANE_MAIN, ...args], { env: controlPlane.env })).stdout;
  const checked = await run('check');
  assert.ok(checked.includes(`vault typo: WARNING: ${WARNING}`), checked);
  assert.ok(checked.includes(`vault_aws_region: WARNING: ${DOUBT}`), checked);
  assert.ok((await run('config', 'apply', file)).includes(`WARNING: vault typo: ${WARNING}`));
});
