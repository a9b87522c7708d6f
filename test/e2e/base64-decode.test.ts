import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

const base64 = (value: string | Uint8Array) => Buffer.from(value).toString('base64');
const BYTES = Uint8Array.of(0xff, 0, 0xfe, 1);
const [OLD, NEW] = ['canary-before-rotation', 'canary-after-rotation'];

let emulator: Emulator;
let deployment: Deployment;
let cp: ControlPlane;
let dp: DataPlane;
before(async () => {
  emulator = await startEmulator();
  deployment = new Deployment();
  cp = await deployment.planControlPlane('cp');
  await cp.start();
  const put = (name: string, value: string | Uint8Array | object) => emulator.putSecret(emulator.region, name, value);
  put('text', base64(OLD));
  put('json', { password: base64('canary-of-a-member'), bytes: base64(BYTES), plain: 'canary: no base64!' });
  put('binary', Buffer.from('canary-in-binary'));
  put('bytes', BYTES);
  await cp.putVault('decoded', { name: 'aws', 'config.region': emulator.region, 'config.base64_decode': 'true' });
  await cp.putVault('as-it-is', { name: 'aws', 'config.region': emulator.region });
  await cp.putVault('of-env', { name: 'env', 'config.base64_decode': 'true' });
  dp = await deployment.planDataPlane('dp', cp, {
    ...emulator.environment,
    APP_CERT: base64('canary-of-env'),
    VAULTPLANE_VAULT_AWS_REGION: '{vault://env/SETTING_REGION}',
    SETTING_REGION: base64(emulator.region),
    VAULTPLANE_VAULT_ENV_BASE64_DECODE: 'on',
    KONG_VAULT_AWS_DECODE_BASE64: 'on',
  });
  await dp.start();
  await dp.caughtUpWith(cp);
});
after(async () => {
  await deployment?.stop();
  await emulator?.stop();
});

const run = (main: string, args: string[], env: NodeJS.ProcessEnv) =>
  new Promise<{ status: number; stdout: Buffer; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...args], { env, encoding: 'buffer' }, (error, stdout, stderr) =>
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr: stderr.toString() }),
    );
  });

it('values of a vault with base64_decode are delivered decoded, whole or a member', async () => {
  for (const [path, value, encoding] of [
    ['text', OLD, undefined],
    ['json/password', 'canary-of-a-member', undefined],
    ['binary', 'canary-in-binary', undefined],
    ['bytes', base64(BYTES), 'base64'],
    ['json/bytes', base64(BYTES), 'base64'],
  ] as const) {
    const answer = await dp.resolve(`{vault://decoded/${path}}`);
    assert.deepEqual([answer.value, answer.encoding], [value, encoding], path);
  }
  assert.equal((await dp.resolve('{vault://of-env/app-cert}')).value, 'canary-of-env');
  // One secret, held once: what another vault, or a reference, says of base64 is its own.
  assert.equal((await dp.resolve('{vault://as-it-is/text}')).value, base64(OLD));
  assert.equal((await dp.resolve('{vault://as-it-is/text?base64_decode=true}')).value, OLD);
  assert.equal((await dp.resolve('{vault://decoded/text?base64_decode=false}')).value, base64(OLD));
  assert.equal((await dp.resolve('{vault://as-it-is/text?base64_decode=1}')).error?.code, 'invalid_option');
});

it('a value that is no base64 is an error that says so, and shows nothing of it', async () => {
  const { error } = await dp.resolve('{vault://decoded/json/plain}');
  assert.equal(error?.code, 'not_base64');
  assert.match(error.message, /base64_decode/);
  assert.equal(error.message.includes('canary'), false);
  assert.equal((await dp.resolve('{vault://as-it-is/json/plain}')).value, 'canary: no base64!');
});

it('Kong’s name of the setting decodes the vault that settings configure, and AWS’s own door gives what it decodes', async () => {
  assert.equal((await dp.resolve('{vault://aws/text}')).value, OLD);
  const headers = { 'x-aws-parameters-secrets-token': dp.token };
  const got = async (name: string) =>
    (
      await fetch(`${dp.apiUrl}/secretsmanager/get?secretId=${name}&vault=decoded`, { headers })
    ).json() as Promise<object>;
  const text = (await got('text')) as { SecretString?: string };
  assert.equal(text.SecretString, OLD);
  const bytes = (await got('bytes')) as { SecretString?: string; SecretBinary?: unknown };
  assert.equal(bytes.SecretString, undefined);
  assert.ok(bytes.SecretBinary);
});

it('a rotation is delivered decoded, and a change of base64_decode counts for what is held without another call', async () => {
  emulator.putSecret(emulator.region, 'text', base64(NEW));
  assert.equal((await dp.resolve('{vault://decoded/text}', { refresh: true })).value, NEW);
  const calls = emulator.calls().length;
  const patched = await fetch(`${cp.adminUrl}/vaults/decoded`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ config: { base64_decode: false } }),
  });
  assert.equal(patched.status, 200);
  assert.deepEqual(((await patched.json()) as { config: object }).config, {
    region: emulator.region,
    base64_decode: false,
  });
  await dp.caughtUpWith(cp);
  assert.equal((await dp.resolve('{vault://decoded/text}')).value, base64(NEW));
  assert.equal(emulator.calls().length, calls);
  await cp.putVault('decoded', { name: 'aws', 'config.region': emulator.region, 'config.base64_decode': 'true' });
  await dp.caughtUpWith(cp);
});

it('every dump of a newer Kong is taken as it is, by both programs', async () => {
  const vaults = ['aws', 'env', 'gcp', 'hcv'].map((name) => ({
    ...{
      name,
      prefix: `newer-${name}`,
      config: { base64_decode: false, ...(name === 'hcv' && { token: '{vault://env/T}' }) },
    },
  }));
  const answer = await fetch(`${cp.adminUrl}/config/diff`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ _format_version: '3.0', _konnect: { control_plane_name: 'x' }, vaults }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  const schemas = await Promise.all(vaults.map(({ name }) => cp.get(`/schemas/vaults/${name}`)));
  for (const schema of schemas) {
    const [{ config }] = schema.fields as [
      { config: { fields: Array<Record<string, { type: string; default: unknown }>> } },
    ];
    const field = config.fields.find(({ base64_decode }) => base64_decode)?.base64_decode;
    assert.deepEqual([field?.type, field?.default], ['boolean', false]);
  }
  for (const [main, key] of [
    [CONTROL_PLANE_MAIN, 'VAULTPLANE_VAULT_HCV_BASE64_DECODE'],
    [DATA_PLANE_MAIN, 'KONG_VAULT_GCP_DECODE_BASE64'],
  ] as const) {
    const wrong = await run(main, ['check'], { ...dp.env, [key]: 'maybe' });
    assert.match(wrong.stderr, /base64_decode/);
  }
});

it('a setting that is a reference has the decoded value, and so has a command', async () => {
  // The region of the vault `aws` is such a setting.
  assert.equal((await dp.resolve('{vault://aws/json/password}')).value, 'canary-of-a-member');
  const got = await run(DATA_PLANE_MAIN, ['get', '{vault://decoded/text}'], dp.env);
  assert.equal(got.stdout.toString(), NEW, got.stderr);
});
