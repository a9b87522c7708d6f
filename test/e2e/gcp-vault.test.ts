import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type GcpEmulator, MACHINE_ACCOUNT, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { checkCommand } from './check-command.ts';
import { Deployment } from './deployment.ts';
import { watch } from './watcher.ts';

const CANARIES = ['canary-gcp-one', 'canary-gcp-two'];
const REFERENCE = '{vault://gcp-sm-vault/db/password}';

async function stage(t: TestContext): Promise<{ deployment: Deployment; emulator: GcpEmulator }> {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const emulator = await startGcpEmulator();
  t.after(() => emulator.stop());
  return { deployment, emulator };
}

it('a gcp vault is resolved, rotated by its ttl, watched, and served from disk with Google and the control plane down', async (t) => {
  const { deployment, emulator } = await stage(t);
  emulator.putSecret('db', { password: CANARIES[0] });
  const controlPlane = await deployment.planControlPlane('cp');
  const control = await controlPlane.start();
  await controlPlane.putVault('gcp-sm-vault', { name: 'gcp', 'config.endpoint_url': emulator.url, 'config.ttl': '1' });
  const keyFile = join(deployment.folder, 'secrets.key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    GCE_METADATA_HOST: emulator.metadataHost,
    ...deployment.policy([{ type: 'gcp', destination: emulator.url, identity: true }]),
    VAULTPLANE_SECRETS_PERSIST: 'on',
    VAULTPLANE_SECRETS_KEY_FILE: keyFile,
  });
  const data = await dataPlane.start();
  await dataPlane.savedWhatIsOf(controlPlane);

  const first = await dataPlane.resolve(REFERENCE);
  assert.deepEqual([first.value, first.version?.id, first.vault], [CANARIES[0], '1', 'gcp-sm-vault']);
  const watched = watch(t, dataPlane, REFERENCE);
  await watched.until(CANARIES[0]!);
  emulator.putSecret('db', { password: CANARIES[1] });
  await watched.until(CANARIES[1]!);
  const old = await dataPlane.resolve('{vault://gcp-sm-vault/db/password#1}');
  assert.deepEqual([old.value, old.version?.id], [CANARIES[0], '1']);
  assert.equal((await dataPlane.resolve('{vault://gcp-sm-vault/nope}')).error?.code, 'not_found');

  const { ok, says, all } = await checkCommand(dataPlane.env);
  assert.ok(ok, all);
  const who = `${MACHINE_ACCOUNT}, project emulator-project, with credentials from metadata server`;
  assert.equal(says['Google credentials'], who);
  const where = `Google Secret Manager, in the credentials' project at ${emulator.url} (endpoint_url)`;
  assert.equal(says['vault gcp-sm-vault'], `${where} answers, as ${who}`);
  assert.equal(says['AWS credentials'], undefined);

  const ofItsOwn = await checkCommand({
    ...dataPlane.env,
    METADATA_SERVER_DETECTION: 'none',
    VAULTPLANE_DATA_DIR: join(deployment.folder, 'elsewhere'),
    VAULTPLANE_VAULT_GCP_ENDPOINT_URL: emulator.url,
    VAULTPLANE_VAULT_GCP_SERVICE_ACCOUNT: JSON.stringify(emulator.createKey()),
  });
  assert.ok(ofItsOwn.ok, ofItsOwn.all);
  assert.equal(ofItsOwn.says['Google credentials'], undefined);
  assert.match(ofItsOwn.says['vault gcp']!, /answers, as emulator-admin@.*, with credentials from service_account$/);

  await dataPlane.until(
    (facts) => (facts as unknown as { secrets_on_disk: { written: number } }).secrets_on_disk.written === 2,
  );
  await Promise.all([control.kill('SIGKILL'), data.kill('SIGKILL'), emulator.stop()]);
  await dataPlane.start();
  const kept = await dataPlane.resolve(REFERENCE);
  assert.equal(kept.value, CANARIES[1]);
  assert.ok(['fresh', 'stale', 'resurrected'].includes(String(kept.state)));
  const down = await checkCommand(dataPlane.env);
  assert.equal(down.ok, false);
  assert.match(down.says['vault gcp-sm-vault']!, /does not answer.*no Google credentials/);
  assert.deepEqual(deployment.filesWith([...CANARIES, 'ya29.']), []);
});
