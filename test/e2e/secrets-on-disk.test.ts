import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { Deployment } from './deployment.ts';

const CANARY = 'canary-9c1d6e-on-disk';
const REFERENCE = '{vault://aws-sm-vault/app/password}';

async function stage(t: TestContext): Promise<{ deployment: Deployment; emulator: Emulator }> {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const emulator = await startEmulator();
  t.after(() => emulator.stop());
  return { deployment, emulator };
}

/** A data plane with a value from AWS, then the control plane, AWS and the data plane are all killed. */
async function rehearse(t: TestContext, persist: (folder: string) => NodeJS.ProcessEnv) {
  const { deployment, emulator } = await stage(t);
  emulator.putSecret('us-east-1', 'app', { password: CANARY });
  const controlPlane = await deployment.planControlPlane('cp');
  const control = await controlPlane.start();
  await controlPlane.putVault('aws-sm-vault', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '3600' });
  const env = { ...emulator.environment, ...persist(deployment.folder) };
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, env);
  const data = await dataPlane.start();
  await dataPlane.savedWhatIsOf(controlPlane);
  assert.equal((await dataPlane.resolve(REFERENCE)).value, CANARY);
  const status = async () =>
    (await dataPlane.status()) as unknown as { secrets_on_disk: Record<string, unknown>; [fact: string]: unknown };
  return { deployment, emulator, controlPlane, control, dataPlane, data, status };
}

function makeKey(folder: string): string {
  const path = join(folder, 'secrets.key');
  try {
    execFileSync('sh', ['-c', `(umask 077; openssl rand -hex 32 > ${path})`], { stdio: 'ignore' });
  } catch {
    writeFileSync(path, randomBytes(32).toString('hex'), { mode: 0o600 });
  }
  return path;
}

describe('secrets on disk', () => {
  it('are served by a data plane that starts while AWS and the control plane are both down, killed as it was', async (t) => {
    const { deployment, emulator, control, dataPlane, data, status } = await rehearse(t, (folder) => ({
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: makeKey(folder),
    }));
    await dataPlane.until(
      (facts) => (facts as unknown as { secrets_on_disk: { written: number } }).secrets_on_disk.written === 1,
    );
    await Promise.all([control.kill('SIGKILL'), data.kill('SIGKILL'), emulator.stop()]);

    const again = await dataPlane.start();
    const answer = await dataPlane.resolve(REFERENCE);
    assert.equal(answer.value, CANARY);
    assert.match(answer.state!, /^(stale|resurrected)$/);
    const { restored, problem } = (await status()).secrets_on_disk;
    assert.deepEqual({ restored, problem }, { restored: 1, problem: null });
    assert.deepEqual(deployment.filesWith([CANARY, Buffer.from(CANARY).toString('base64').slice(0, 20)]), []);

    // With another key what is on disk is of no use, and that is all.
    await again.stop();
    writeFileSync(join(deployment.folder, 'secrets.key'), randomBytes(32).toString('base64'));
    await dataPlane.start();
    assert.equal((await dataPlane.resolve(REFERENCE)).error?.code, 'unavailable');
    assert.match(String((await status()).secrets_on_disk.problem), /another key.*set aside/);
  });

  it('have every value that was served, where the data plane is killed within 300 ms of a rotation', async (t) => {
    const { emulator, dataPlane, data, status } = await rehearse(t, (folder) => ({
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: makeKey(folder),
    }));
    // The file was written a moment ago, and is not for another five seconds.
    await dataPlane.until(
      (facts) => (facts as unknown as { secrets_on_disk: { written: number } }).secrets_on_disk.written === 1,
    );
    const { written_at } = (await status()).secrets_on_disk;
    emulator.putSecret('us-east-1', 'app', { password: 'rotated' });
    assert.equal((await dataPlane.resolve(REFERENCE, { refresh: true })).value, 'rotated');
    const served = performance.now();
    await sleep(250);
    assert.equal((await status()).secrets_on_disk.written_at, written_at);
    await data.kill('SIGKILL');
    t.diagnostic(`killed ${Math.round(performance.now() - served)} ms after it was served`);
    await emulator.stop();
    await dataPlane.start();
    const answer = await dataPlane.resolve(REFERENCE);
    assert.equal(answer.value, 'rotated', JSON.stringify(answer));
    assert.match(answer.state!, /^(stale|resurrected)$/);
  });

  it('are not called fresh where an older copy of them was put back', async (t) => {
    const { deployment, emulator, control, dataPlane, data } = await rehearse(t, (folder) => ({
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: makeKey(folder),
    }));
    const path = join(dataPlane.dataDir, 'secrets.cache');
    const written = () => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0));
    await dataPlane.until(() => written().length > 0);
    const copy = written();
    emulator.putSecret('us-east-1', 'app', { password: `${CANARY}-newer` });
    assert.equal((await dataPlane.resolve(REFERENCE, { refresh: true })).value, `${CANARY}-newer`);
    await dataPlane.until(() => !written().equals(copy));
    await Promise.all([control.kill('SIGKILL'), data.kill('SIGKILL'), emulator.stop()]);
    writeFileSync(path, copy);
    await dataPlane.start();
    const answer = await dataPlane.resolve(REFERENCE);
    assert.equal(answer.value, CANARY);
    assert.match(answer.state!, /^(stale|resurrected)$/);
    assert.deepEqual(deployment.filesWith([CANARY]), []);
  });

  it('are none without a key; names are, and what they name is fetched again before anybody asks', async (t) => {
    const { deployment, emulator, control, dataPlane, data, status } = await rehearse(t, () => ({
      VAULTPLANE_PREFETCH: 'tag:team=web@aws-sm-vault',
    }));
    await control.kill('SIGKILL');
    await data.stop();
    emulator.putSecret('us-east-1', 'tagged', 'x', { tags: { team: 'web' } });
    emulator.resetCalls();
    const again = await dataPlane.start();
    await dataPlane.until((facts) => (facts as unknown as { prefetch: { had: number } }).prefetch.had === 3);
    assert.equal(emulator.calls({ operation: 'ListSecrets' }).length, 1);
    await emulator.stop();
    assert.equal((await dataPlane.resolve(REFERENCE)).value, CANARY);
    assert.equal((await dataPlane.resolve('{vault://aws-sm-vault/tagged}')).value, 'x');
    await again.stop();
    assert.deepEqual(deployment.filesWith([CANARY, Buffer.from(CANARY).toString('base64').slice(0, 20)]), []);
    await dataPlane.start();
    assert.equal((await dataPlane.resolve(REFERENCE)).error?.code, 'unavailable');
    assert.equal((await status()).secrets_on_disk.persisted, false);
    assert.match(readFileSync(join(deployment.folder, 'dp.log'), 'utf8'), /configuration in use/);
  });
});

describe('a setting that is a reference', () => {
  it('does not keep either program from starting while AWS is down, once it has run', async (t) => {
    const { deployment, emulator } = await stage(t);
    const adminToken = 'canary-admin-token-4e1b';
    emulator.putSecret('us-east-1', 'cp', { token: adminToken });
    const env = { ...emulator.environment, VAULTPLANE_SECRETS_KEY_FILE: makeKey(deployment.folder) };
    const controlPlane = await deployment.planControlPlane('cp', {
      ...env,
      VAULTPLANE_ADMIN_TOKEN: '{vault://aws/cp/token}',
    });
    const control = await controlPlane.start();
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...env,
      VAULTPLANE_LOG_LEVEL: '{vault://aws/dp-level}',
    });
    emulator.putSecret('us-east-1', 'dp-level', 'warn');
    const data = await dataPlane.start();
    await dataPlane.until(({ control_plane }) => control_plane.connected);
    await Promise.all([control.kill('SIGKILL'), data.kill('SIGKILL'), emulator.stop()]);

    await controlPlane.start();
    const answer = await fetch(`${controlPlane.adminUrl}/vaults`, { headers: { 'kong-admin-token': adminToken } });
    assert.equal(answer.status, 200);
    assert.equal((await fetch(`${controlPlane.adminUrl}/vaults`)).status, 401);
    await dataPlane.start();
    for (const [url, key] of [
      [controlPlane.statusUrl, 'admin_token'],
      [dataPlane.statusUrl, 'log_level'],
    ] as const) {
      const status = (await (await fetch(`${url}/status`)).json()) as { settings: { old: Array<{ key: string }> } };
      assert.deepEqual(
        status.settings.old.map((old) => old.key),
        [key],
      );
    }
    assert.deepEqual(deployment.filesWith([adminToken]), []);
  });
});
