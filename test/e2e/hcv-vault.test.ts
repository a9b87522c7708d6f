import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { ProvisionedBao } from '@vaultplane/backends/testing/provisioned-bao.ts';
import { checkCommand } from './check-command.ts';
import { DATA_PLANE_MAIN, Deployment } from './deployment.ts';
import { watch } from './watcher.ts';

const CANARIES = ['canary-hcv-one', 'canary-hcv-two'];
const REFERENCE = '{vault://hcv-vault/db/password}';

it('an hcv vault is resolved, rotated, watched and delivered, and served from disk with OpenBao and the control plane down', {
  skip: noOpenBao() ?? false,
}, async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const outside = mkdtempSync(join(tmpdir(), 'vaultplane-e2e-hcv-'));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  const bao = await ProvisionedBao.start(join(outside, 'secret-id'));
  t.after(() => bao.stop());
  await bao.put('db', { password: CANARIES[0] });
  await bao.put('early', { password: CANARIES[0] });

  const controlPlane = await deployment.planControlPlane('cp');
  const control = await controlPlane.start();
  await controlPlane.putVault('hcv-vault', { ...bao.vaultForm, 'config.ttl': '1' });
  const keyFile = join(deployment.folder, 'secrets.key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    VAULTPLANE_SECRETS_PERSIST: 'on',
    VAULTPLANE_SECRETS_KEY_FILE: keyFile,
    ...deployment.policy([{ type: 'hcv', destination: `http://${bao.server.address}`, files: [bao.secretIdFile] }]),
    VAULTPLANE_PREFETCH: '{vault://hcv-vault/early/password}',
  });
  const data = await dataPlane.start();
  await dataPlane.savedWhatIsOf(controlPlane);
  // Nobody has asked for anything yet.
  await dataPlane.until((facts) => (facts as unknown as { references: { fresh: number } }).references.fresh === 1);

  const first = await dataPlane.resolve(REFERENCE);
  assert.deepEqual([first.value, first.version?.id, first.vault], [CANARIES[0], '1', 'hcv-vault']);
  const watched = watch(t, dataPlane, REFERENCE);
  await watched.until(CANARIES[0]!);
  await bao.put('db', { password: CANARIES[1] });
  await watched.until(CANARIES[1]!);
  const old = await dataPlane.resolve('{vault://hcv-vault/db/password#1}');
  assert.deepEqual([old.value, old.version?.id], [CANARIES[0], '1']);
  for (const [reference, code] of [
    ['{vault://hcv-vault/nope}', 'not_found'],
    ['{vault://hcv-vault/db/password#7}', 'not_found'],
    ['{vault://hcv-vault/db/none}', 'key_not_found'],
    ['{vault://hcv-vault/db/password?host=evil.example}', 'invalid_option'],
  ] as const) {
    assert.equal((await dataPlane.resolve(reference)).error?.code, code, reference);
  }

  const run = async (...args: string[]) => {
    const options = { env: dataPlane.env, cwd: outside };
    return (await promisify(execFile)(process.execPath, [DATA_PLANE_MAIN, ...args], options)).stdout;
  };
  const print = 'process.stdout.write(process.env.PASSWORD)';
  assert.equal(await run('exec', '--env', `PASSWORD=${REFERENCE}`, '--', process.execPath, '-e', print), CANARIES[1]);
  writeFileSync(join(outside, 'app.tpl'), `password={{secret "${REFERENCE}"}}\n`);
  await run('render', join(outside, 'app.tpl'), '-o', join(outside, 'app.conf'));
  assert.equal(readFileSync(join(outside, 'app.conf'), 'utf8'), `password=${CANARIES[1]}\n`);

  const { ok, says, all } = await checkCommand(dataPlane.env);
  assert.ok(ok, all);
  const where = `secret (kv v2) of the vault server http://${bao.server.address}, by approle`;
  const who = `approle, policies data-planes, default, with credentials from approle (role_id dp-id, by the secret_id in ${bao.secretIdFile})`;
  assert.equal(says['vault hcv-vault'], `${where} answers, as ${who}`);

  await dataPlane.until(
    (facts) => (facts as unknown as { secrets_on_disk: { written: number } }).secrets_on_disk.written === 3,
  );
  await Promise.all([control.kill('SIGKILL'), data.kill('SIGKILL'), bao.server.kill()]);
  await dataPlane.start();
  const kept = await dataPlane.resolve(REFERENCE);
  assert.equal(kept.value, CANARIES[1]);
  assert.ok(['fresh', 'stale', 'resurrected'].includes(String(kept.state)));
  assert.equal((await dataPlane.resolve('{vault://hcv-vault/never-asked/x}')).error?.code, 'unavailable');
  const down = await checkCommand(dataPlane.env);
  assert.equal(down.ok, false);
  assert.match(down.says['vault hcv-vault']!, /does not answer.*can't be reached \(ECONNREFUSED\)/);
  assert.deepEqual(deployment.filesWith([...CANARIES, ...bao.canaries]), []);
});
