import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { ToyFile } from '@vaultplane/testkit/toy-backend.ts';
import { type ControlPlane, cleanEnv, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

const TOY = import.meta.resolve('@vaultplane/testkit/toy-vault.ts');
const LOADED_MODULES = fileURLToPath(new URL('./loaded-modules.ts', import.meta.url));

// A type that is one file and the code that fetches, and is named nowhere else: what follows, follows from that alone.
describe('a vault type that is added', () => {
  const deployment = new Deployment();
  const file = join(deployment.folder, 'toys.json');
  const put = (toys: ToyFile) => writeFileSync(file, JSON.stringify(toys));
  let emulator: Emulator;
  let controlPlane: ControlPlane;
  let dataPlane: DataPlane;
  const env = { NODE_OPTIONS: `--import=${TOY}` };

  before(async () => {
    put({ secrets: { 'home/db': ['{"password":"one"}', '{"password":"two"}'], 'work/db': ['{"password":"three"}'] } });
    emulator = await startEmulator();
    controlPlane = await deployment.planControlPlane('cp', env);
    await controlPlane.start();
    dataPlane = await deployment.planDataPlane('dp', controlPlane, { ...env, ...emulator.environment });
    await dataPlane.start();
  });
  after(async () => {
    await emulator?.stop();
    await deployment.stop();
  });
  const put400 = async (config: object) => {
    const answer = await fetch(`${controlPlane.adminUrl}/vaults/my-toys`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'toy', config }),
    });
    assert.equal(answer.status, 400);
    return ((await answer.json()) as { fields: { config: unknown } }).fields.config;
  };

  it('is in the schema, the OpenAPI document and the list of types, and its name is nobody’s prefix', async () => {
    const schema = (await controlPlane.get('/schemas/vaults/toy')) as never as {
      fields: [{ config: { fields: Array<Record<string, object>> } }];
    };
    const fields = Object.assign({}, ...schema.fields[0].config.fields);
    assert.deepEqual(fields.file, {
      ...{ type: 'string', description: 'The file (JSON).', required: true, match: '^\\/' },
      ...{ identity: true, destination: true },
    });
    assert.equal(fields.token.encrypted, true);
    assert.equal(fields.shelf.type, 'integer');
    const { components } = (await controlPlane.get('/openapi.json')) as never as {
      components: { schemas: Record<string, unknown> };
    };
    assert.ok('ToyVault' in components.schemas && 'ToyVaultInput' in components.schemas);
    const { vaultplane } = (await controlPlane.get('/')) as never as { vaultplane: { vault_types: string[] } };
    assert.ok(vaultplane.vault_types.includes('toy'));
    await assert.rejects(controlPlane.putVault('toy', { name: 'aws' }), /must not be one of: .*toy/);
  });

  it('has its fields checked, each and together', async () => {
    assert.deepEqual(await put400({}), { file: 'required field missing' });
    assert.deepEqual(await put400({ file, shelf: 1.5 }), { shelf: 'expected an integer' });
    assert.deepEqual(await put400({ shelf: 1.5, colour: 'red' }), {
      file: 'required field missing',
      shelf: 'expected an integer',
      colour: 'unknown field',
    });
    assert.deepEqual(await put400({ file, realm: 'attic' }), { shelf: 'is needed in the realm attic' });
  });

  it('is made, sent to data planes, and asked there; references have its options and its versions', async () => {
    await controlPlane.putVault('my-toys', { name: 'toy', 'config.file': file, 'config.ttl': '3600' });
    await dataPlane.caughtUpWith(controlPlane);
    const value = async (reference: string) => {
      const { value, error } = await dataPlane.resolve(reference);
      return value ?? error?.code;
    };
    assert.equal(await value('{vault://my-toys/db/password}'), 'two');
    assert.equal(await value('{vault://my-toys/db/password#1}'), 'one');
    assert.equal(await value('{vault://my-toys/db/password?realm=work}'), 'three');
    assert.equal(await value('{vault://my-toys/nothing}'), 'not_found');
    for (const option of ['realm=WORK', 'realm=', 'file=/x', 'region=eu-west-1', 'shelf=1']) {
      assert.equal(await value(`{vault://my-toys/db/password?${option}}`), 'invalid_option', option);
    }
    // Its option is another type's too, once that type says so; here it is this one's alone.
    assert.equal(await value('{vault://env/db?realm=work}'), 'invalid_option');
    const calls = readFileSync(`${file}.calls`, 'utf8');
    assert.equal(await value('{vault://my-toys/db/password}'), 'two');
    assert.equal(readFileSync(`${file}.calls`, 'utf8'), calls, 'what is held costs no call');
  });

  it('is there by its own name where settings configure it, and only there', async () => {
    const bare = await dataPlane.resolve('{vault://toy/db/password}');
    assert.equal(bare.error?.code, 'unknown_vault');
    assert.match(bare.error!.message, /no setting vault_toy_… configures it/);
    const settings = { VAULTPLANE_VAULT_TOY_FILE: file, KONG_VAULT_TOY_REALM: 'work' };
    const own = await deployment.planDataPlane('dp-with-settings', controlPlane, {
      ...env,
      ...settings,
      // A setting may be a reference to it, whatever the order.
      VAULTPLANE_VAULT_AWS_ROLE_SESSION_NAME: '{vault://toy/db/password}',
    });
    await own.start();
    assert.equal((await own.resolve('{vault://toy/db/password}')).value, 'three');

    const run = (more: NodeJS.ProcessEnv) => {
      const options = { env: { ...cleanEnv(), ...env, VAULTPLANE_DATA_DIR: own.dataDir, ...more }, encoding: 'utf8' };
      return spawnSync(process.execPath, [DATA_PLANE_MAIN, 'check'], options as { encoding: 'utf8' });
    };
    const checked = run(settings).stdout.split('\n');
    assert.ok(checked.includes(`ok      vault toy: toys of ${file} answers`), checked.join('\n'));
    assert.match(run({ VAULTPLANE_VAULT_TOY_REALM: 'work' }).stderr, /vault_toy_realm needs vault_toy_file beside it/);
    assert.match(
      run({ ...settings, KONG_VAULT_TOY_REALM: 'WORK' }).stderr,
      /KONG_VAULT_TOY_REALM: vault_toy_realm = "WORK" is not allowed; it must be small letters/,
    );
    assert.match(
      run({ ...settings, KONG_VAULT_TOY_REALM: 'attic' }).stderr,
      /vault_toy_shelf: is needed in the realm attic/,
    );
  });

  it('has its code loaded when the first of its vaults is asked, and no other type’s', async () => {
    const loaded = async (name: string, more: NodeJS.ProcessEnv, reference: string) => {
      const list = join(deployment.folder, `${name}.modules`);
      const plane = await deployment.planDataPlane(name, controlPlane, {
        ...{ NODE_OPTIONS: `${env.NODE_OPTIONS} --import=${LOADED_MODULES}`, LOADED_MODULES_FILE: list },
        ...more,
      });
      await plane.start();
      const { value } = await plane.resolve(reference);
      return { value, modules: readFileSync(list, 'utf8') };
    };
    const backend = {
      aws: /backends\/src\/aws\/family\.ts|client-secrets-manager/,
      env: /backends\/src\/env\.ts/,
      toy: /toy-backend/,
      gcp: /backends\/src\/gcp\/family\.ts|google-auth-library/,
      hcv: /backends\/src\/hcv\/family\.ts/,
    };
    const cases = {
      aws: [{ ...emulator.environment, VAULTPLANE_VAULT_AWS_REGION: 'us-east-1' }, '{vault://aws/app}'],
      env: [{ APP: 'of the environment' }, '{vault://env/app}'],
      toy: [{}, '{vault://my-toys/db/password}'],
    } as const;
    emulator.putSecret('us-east-1', 'app', 'of AWS');
    for (const [type, [more, reference]] of Object.entries(cases)) {
      const { value, modules } = await loaded(`only-${type}`, more, reference);
      assert.ok(value !== undefined, type);
      for (const [other, pattern] of Object.entries(backend)) {
        assert.equal(pattern.test(modules), other === type, `${other} in a data plane with a vault of type ${type}`);
      }
    }
  });
});
