import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { DATA_PLANE_MAIN, type DataPlane, Deployment } from '../e2e/deployment.ts';

/** The node's own, and beside it one that is meant for applications. */
const OWN = {
  AWS_SECRET_ACCESS_KEY: 'canary-aws-key',
  GCP_SERVICE_ACCOUNT: 'canary-gcp-account',
  VAULTPLANE_VAULT_HCV_TOKEN: '{vault://env/NODES_OWN_TOKEN}',
  NODES_OWN_TOKEN: 'canary-of-a-setting',
  KONG_LICENSE_DATA: 'canary-kong',
  OTEL_EXPORTER_OTLP_HEADERS: 'canary-otel',
  NODE_AUTH_TOKEN: 'canary-node',
  HTTPS_PROXY: 'http://user:canary-proxy@127.0.0.1:9',
  VAULT_TOKEN: 'canary-vault',
};

it('the environment of a data plane gives applications none of its own variables, by any API', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  await controlPlane.putVault('any-env', { name: 'env', 'config.prefix': 'AWS_' });
  await controlPlane.putVault('plain-env', { name: 'env' });
  const references = [
    ...Object.keys(OWN).flatMap((name) => [
      `{vault://env/${name}}`,
      `{vault://env/${name.toLowerCase().replaceAll('_', '-')}?prefix=}`,
      `{vault://plain-env/${name}}`,
      `{vault://env/${name.slice(2)}?prefix=${name.slice(0, 2)}}`,
      `{vault://env/${encodeURIComponent(name).replaceAll('_', '%5F')}/}`,
    ]),
    '{vault://any-env/SECRET_ACCESS_KEY}',
    '{vault://env/NOT_SET_AWS?prefix=AWS_}',
  ];
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    ...OWN,
    APP_PASSWORD: 'for-the-application',
    VAULTPLANE_PREFETCH: references.filter((reference) => !reference.includes(',')).join(','),
  });
  await dataPlane.start();
  await dataPlane.caughtUpWith(controlPlane);

  assert.equal((await dataPlane.resolve('{vault://env/app-password}')).value, 'for-the-application');
  const answers: string[] = [];
  for (const reference of references) {
    for (const refresh of [false, true]) {
      const answer = await dataPlane.resolve(reference, { refresh });
      assert.equal(answer.error?.code, 'access_denied', `${reference}: ${JSON.stringify(answer)}`);
      answers.push(JSON.stringify(answer));
    }
  }
  assert.match((await dataPlane.resolve('{vault://env/AWS_SECRET_ACCESS_KEY}')).error!.message, /data plane's own/);
  answers.push(await post(dataPlane, { references }), await watched(dataPlane, references));
  answers.push(await post(dataPlane, { references, refresh: true }));
  const first = references[0]!;
  answers.push(await command(dataPlane, 'get', first), await command(dataPlane, 'get', first, '--json'));
  const print = 'process.stdout.write(String(process.env.STOLEN))';
  answers.push(await command(dataPlane, 'exec', '--env', `STOLEN=${first}`, '--', process.execPath, '-e', print));
  const template = join(deployment.folder, 'stolen.tpl');
  writeFileSync(template, `{{secret "${first}"}}\n`);
  answers.push(await command(dataPlane, 'render', template, '-o', join(deployment.folder, 'stolen.conf')));
  assert.equal(
    answers.find((answer) => answer.includes('canary')),
    undefined,
  );
  assert.deepEqual(deployment.filesWith(['canary-']), []);
});

it('vault_env_prefix confines every env vault, also pushed ones and whatever a reference says', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  await controlPlane.putVault('outside', { name: 'env', 'config.prefix': 'NODE5_' });
  await controlPlane.putVault('no-prefix', { name: 'env' });
  await controlPlane.putVault('longer', { name: 'env', 'config.prefix': 'app_one_' });
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    VAULTPLANE_VAULT_ENV_PREFIX: 'APP_',
    APP_PASSWORD: 'inside',
    APP_ONE_PASSWORD: 'deeper inside',
    NODE5_PASSWORD: 'canary-outside',
    PASSWORD: 'canary-plain',
  });
  await dataPlane.start();
  await dataPlane.caughtUpWith(controlPlane);
  for (const [reference, value] of [
    ['{vault://env/password}', 'inside'],
    ['{vault://env/password?prefix=APP_}', 'inside'],
    ['{vault://env/password?prefix=app-one-}', 'deeper inside'],
    ['{vault://longer/password}', 'deeper inside'],
    ['{vault://no-prefix/app_password}', 'inside'],
  ] as const) {
    assert.equal((await dataPlane.resolve(reference)).value, value, reference);
  }
  for (const reference of [
    '{vault://env/password?prefix=}',
    '{vault://env/password?prefix}',
    '{vault://env/node5-password?prefix=}',
    '{vault://env/password?prefix=NODE5_}',
    '{vault://env/password?pre%66ix=%4EODE5_}',
    '{vault://outside/password}',
    '{vault://outside/password?prefix=}',
    '{vault://no-prefix/password}',
    '{vault://longer/password?prefix=}',
    '{vault://longer/password?prefix=NODE5_}',
  ]) {
    const answer = await dataPlane.resolve(reference);
    assert.equal(answer.error?.code, 'access_denied', `${reference}: ${JSON.stringify(answer)}`);
    assert.match(answer.error!.message, /vault_env_prefix/);
  }
});

async function post(dataPlane: DataPlane, body: object): Promise<string> {
  const answer = await fetch(`${dataPlane.apiUrl}/v1/resolve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${dataPlane.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return answer.text();
}

/** Everything that a watch tells until each reference has been told of. */
async function watched(dataPlane: DataPlane, references: readonly string[]): Promise<string> {
  const query = references.map((reference) => `ref=${encodeURIComponent(reference)}`).join('&');
  const abort = new AbortController();
  const answer = await fetch(`${dataPlane.apiUrl}/v1/watch?${query}`, {
    headers: { authorization: `Bearer ${dataPlane.token}` },
    signal: abort.signal,
  });
  let told = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body!) {
    told += decoder.decode(bytes as Uint8Array, { stream: true });
    if ((told.match(/^event: /gm) ?? []).length >= references.length) break;
  }
  abort.abort();
  return told;
}

/** All that a command prints; it has to fail. */
async function command(dataPlane: DataPlane, ...args: string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, [DATA_PLANE_MAIN, ...args], { env: dataPlane.env });
  const failure = await run.then(
    ({ stdout }) => assert.fail(`${args[0]} gave ${stdout}`),
    (error: { stdout: string; stderr: string }) => error,
  );
  return failure.stdout + failure.stderr;
}
