import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { ToyFile } from '@vaultplane/testkit/toy-backend.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

const CANARY = 'canary-credential-7d1f';
const TOY = { NODE_OPTIONS: `--import=${import.meta.resolve('@vaultplane/testkit/toy-vault.ts')}` };
const REFERENCE = '{vault://my-toys/db}';

/** A vault server (a file of the type `toy`) that lets in whoever shows its token, and programs of ours beside it. */
class Stage {
  readonly deployment = new Deployment();
  readonly #elsewhere = mkdtempSync(join(tmpdir(), 'vaultplane-toys-'));
  readonly toys = join(this.#elsewhere, 'toys.json');
  readonly key = join(this.#elsewhere, 'secrets.key');
  readonly exported = join(this.deployment.folder, 'exported');

  static begin(t: TestContext): Stage {
    const stage = new Stage();
    t.after(async () => {
      await stage.deployment.stop();
      rmSync(stage.#elsewhere, { recursive: true, force: true });
    });
    writeFileSync(stage.key, randomBytes(32).toString('hex'), { mode: 0o600 });
    stage.put({ token: CANARY, secrets: { 'home/db': ['the secret'] } });
    return stage;
  }

  put(toys: ToyFile): void {
    writeFileSync(this.toys, JSON.stringify(toys));
  }

  async controlPlane(env: NodeJS.ProcessEnv = {}): Promise<ControlPlane> {
    const keyring = join(this.#elsewhere, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('base64'));
    return this.deployment.planControlPlane('cp', {
      ...TOY,
      VAULTPLANE_KEYRING_KEY_FILE: keyring,
      VAULTPLANE_CONFIG_EXPORT_URL: String(pathToFileURL(this.exported)),
      VAULTPLANE_LOG_LEVEL: 'debug',
      ...env,
    });
  }

  dataPlane(name: string, controlPlane: ControlPlane, env: NodeJS.ProcessEnv = {}): Promise<DataPlane> {
    return this.deployment.planDataPlane(name, controlPlane, { ...TOY, VAULTPLANE_LOG_LEVEL: 'debug', ...env });
  }

  /** The vault whose configuration has the token in it. */
  makeVault(controlPlane: ControlPlane, token = CANARY): Promise<Record<string, unknown>> {
    const config = { 'config.file': this.toys, 'config.token': token, 'config.ttl': '3600' };
    return controlPlane.putVault('my-toys', { name: 'toy', ...config });
  }

  /** Waits until a file has this in it; it is another process's. */
  async written(file: string, text: string): Promise<void> {
    await until(`${file} has ${text}`, () => existsSync(file) && readFileSync(file).includes(text));
  }

  /** No file that the programs have written has the credential in the clear, whatever it is spelt as. */
  assertHidden(): void {
    const spellings = [
      CANARY,
      Buffer.from(CANARY).toString('base64').slice(0, -2),
      Buffer.from(CANARY).toString('hex'),
    ];
    assert.deepEqual(this.deployment.filesWith(spellings), []);
  }
}

async function timelineOf(controlPlane: ControlPlane): Promise<string> {
  return (await controlPlane.position()).timeline;
}

describe('a credential in the configuration of a vault', () => {
  it('is used, shown by nobody, and stands in no file in the clear', async (t) => {
    const stage = Stage.begin(t);
    const controlPlane = await stage.controlPlane();
    let control = await controlPlane.start();
    const made = await stage.makeVault(controlPlane);
    assert.equal((made.config as Record<string, unknown>).token, '********');
    const dataPlane = await stage.dataPlane('dp', controlPlane);
    await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    assert.equal((await dataPlane.resolve(REFERENCE)).value, 'the secret');

    const version = await controlPlane.version();
    const pages = ['/vaults', '/vaults/my-toys', '/config', '/config/versions', `/config/versions/${version}`];
    const more = ['/audit/requests', '/clustering/references', '/clustering/data-planes', '/', '/status'];
    for (const path of [...pages, `/config/versions/${version}/diff`, ...more]) {
      const answer = await (await fetch(controlPlane.adminUrl + path)).text();
      assert.ok(!answer.includes(CANARY), path);
    }
    for (const path of ['/status', '/metrics']) {
      for (const url of [controlPlane.statusUrl, dataPlane.statusUrl]) {
        assert.ok(!(await (await fetch(url + path)).text()).includes(CANARY), url + path);
      }
    }
    const run = (main: string, args: string[], env: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8' });
    const dump = run(CONTROL_PLANE_MAIN, ['config', 'dump'], controlPlane.env);
    assert.match(dump.stdout, /token: "?\*{8}"?/, dump.stderr);
    const file = join(stage.deployment.folder, 'dump.yaml');
    writeFileSync(file, dump.stdout);
    const diff = run(CONTROL_PLANE_MAIN, ['config', 'diff', file], controlPlane.env);
    assert.equal(diff.status, 0, diff.stdout + diff.stderr);
    await stage.written(join(dataPlane.dataDir, 'config.snapshot'), 'my-toys');
    const checked = run(DATA_PLANE_MAIN, ['check'], dataPlane.env);
    assert.match(checked.stdout, /credentials of vault my-toys: WARNING: stand in the configuration/);

    await control.stop();
    const offline = run(CONTROL_PLANE_MAIN, ['check'], controlPlane.env);
    assert.match(offline.stdout, /credentials of vault my-toys: WARNING: stand in the configuration/, offline.stderr);
    control = await controlPlane.start();
    assert.match(control.output, /credentials of vaults stand in the configuration/);
    await stage.written(stage.exported, 'vaultplane config.export');
    for (const said of [dump, diff, checked, offline]) assert.ok(!(said.stdout + said.stderr).includes(CANARY));
    stage.assertHidden();
  });

  it('is lacking on a data plane that restarts without a key and without a control plane, which has it again soon', async (t) => {
    const stage = Stage.begin(t);
    const controlPlane = await stage.controlPlane();
    const control = await controlPlane.start();
    await stage.makeVault(controlPlane);
    await controlPlane.putVault('my-env', { name: 'env', 'config.prefix': 'MINE_' });
    const timeline = await timelineOf(controlPlane);
    const dataPlane = await stage.dataPlane('dp', controlPlane, { MINE_THING: 'of the environment' });
    let data = await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    await stage.written(join(dataPlane.dataDir, 'config.snapshot'), 'my-toys');
    await control.stop();
    await data.stop();

    data = await dataPlane.start();
    assert.equal((await dataPlane.status()).config.source, 'disk');
    const { error } = await dataPlane.resolve(REFERENCE);
    assert.equal(error?.code, 'unavailable');
    assert.match(
      error!.message,
      /config\.token of the vault is a credential that this data plane does not have: its disk keeps one only under/,
    );
    assert.equal((await dataPlane.resolve('{vault://my-env/thing}')).value, 'of the environment');
    assert.match(data.output, /are not kept on disk; secrets_key_file is not set/);

    await controlPlane.start();
    await dataPlane.until(({ config }) => config.source === 'control_plane');
    assert.equal((await dataPlane.resolve(REFERENCE)).value, 'the secret');
    assert.equal(await timelineOf(controlPlane), timeline, 'the part that the disk had is taken for no change');
    // Deltas go on from there.
    await controlPlane.putVault('one-more', { name: 'env' });
    await dataPlane.caughtUpWith(controlPlane);
    stage.assertHidden();
  });

  it('is sealed under secrets_key_file, on the data plane’s disk and in the export, and opened by the same key alone', async (t) => {
    const stage = Stage.begin(t);
    const key = { VAULTPLANE_SECRETS_KEY_FILE: stage.key };
    const controlPlane = await stage.controlPlane(key);
    const control = await controlPlane.start();
    await stage.makeVault(controlPlane);
    const timeline = await timelineOf(controlPlane);
    const dataPlane = await stage.dataPlane('dp', controlPlane, key);
    const data = await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    await stage.written(join(dataPlane.dataDir, 'config.snapshot'), 'my-toys');
    await stage.written(stage.exported, 'vaultplane config.export');
    const exportKey = await controlPlane.exportKey();
    await control.stop();
    await data.stop();

    await dataPlane.start();
    assert.equal((await dataPlane.status()).config.source, 'disk');
    assert.equal((await dataPlane.resolve(REFERENCE)).value, 'the secret');
    const fallback = {
      VAULTPLANE_CONFIG_FALLBACK_URL: String(pathToFileURL(stage.exported)),
      VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: exportKey,
    };
    const withKey = await stage.dataPlane('dp-with-key', controlPlane, { ...key, ...fallback });
    await withKey.start();
    assert.equal((await withKey.status()).config.source, 'fallback');
    assert.equal((await withKey.resolve(REFERENCE)).value, 'the secret');
    const without = await stage.dataPlane('dp-without-key', controlPlane, fallback);
    await without.start();
    assert.equal((await without.resolve(REFERENCE)).error?.code, 'unavailable');

    await controlPlane.start();
    for (const plane of [dataPlane, withKey, without]) {
      await plane.until(({ config }) => config.source === 'control_plane');
      assert.equal((await plane.resolve(REFERENCE)).value, 'the secret');
    }
    assert.equal(await timelineOf(controlPlane), timeline);
    stage.assertHidden();
  });

  it('may be a reference instead, which is shown, and resolved on data planes alone, anew where it is refused', async (t) => {
    const stage = Stage.begin(t);
    const emulator = await startEmulator();
    t.after(() => emulator.stop());
    // No key is needed for what is no secret.
    const controlPlane = await stage.controlPlane({ VAULTPLANE_KEYRING_KEY_FILE: undefined });
    await controlPlane.start();
    const made = await stage.makeVault(controlPlane, '{vault://env/TOY_TOKEN}');
    assert.equal((made.config as Record<string, unknown>).token, '{vault://env/TOY_TOKEN}');
    for (const [token, reason] of [
      ['{vault://my-toys/db}', /must refer to a vault that the data planes' settings configure/],
      ['{vault://env/x?region=eu-west-1}', /can't set region/],
      [CANARY, /kept encrypted only/],
    ] as const) {
      await assert.rejects(stage.makeVault(controlPlane, token), (error: Error) => {
        return reason.test(error.message) && !error.message.includes(CANARY);
      });
    }
    const dataPlane = await stage.dataPlane('dp', controlPlane, {
      ...emulator.environment,
      TOY_TOKEN: CANARY,
      VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: '20',
      VAULTPLANE_UPSTREAM_TIMEOUT: '60',
    });
    await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    assert.equal((await dataPlane.resolve(REFERENCE)).value, 'the secret');

    emulator.putSecret('us-east-1', 'toy-token', CANARY);
    await stage.makeVault(controlPlane, '{vault://aws/toy-token}');
    await dataPlane.caughtUpWith(controlPlane);
    assert.equal((await dataPlane.resolve(REFERENCE, { refresh: true })).value, 'the secret');
    // Both ends change: the old token is refused, and nobody notices.
    emulator.putSecret('us-east-1', 'toy-token', `${CANARY}-2`);
    stage.put({ token: `${CANARY}-2`, secrets: { 'home/db': ['the secret', 'the next'] } });
    const next = await dataPlane.resolve(REFERENCE, { refresh: true });
    assert.equal(
      next.value,
      'the next',
      JSON.stringify(next) +
        readFileSync(join(stage.deployment.folder, 'dp.log'), 'utf8').split('\n').slice(-12).join('\n'),
    );
    assert.equal(emulator.calls({ secret: 'toy-token' }).length, 2);

    await stage.makeVault(controlPlane, '{vault://env/NOT_SET}');
    await dataPlane.caughtUpWith(controlPlane);
    const { value, error } = await dataPlane.resolve('{vault://my-toys/other}');
    assert.deepEqual([value, error?.code], [undefined, 'unavailable']);
    assert.match(
      error!.message,
      /config\.token = \{vault:\/\/env\/NOT_SET\} of the vault: the environment variable NOT_SET/,
    );
    assert.equal((await dataPlane.resolve(REFERENCE)).value, 'the next', 'what is held is served');
    stage.assertHidden();
  });
});
