import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import { HttpProxy } from '@vaultplane/testkit/http-proxy.ts';
import { checkCommand } from './check-command.ts';
import { CONTROL_PLANE_MAIN, cleanEnv, DATA_PLANE_MAIN, Deployment } from './deployment.ts';

const PASSWORD = 'c4n4ry-of-the-proxy';

it('programs go through HTTPS_PROXY, and check says what goes through which proxy, without its password', {
  skip: noCertificates,
}, async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const { folder } = deployment;
  const certificate = makeCertificate(folder, 'aws', { names: ['secretsmanager.test', 'sts.test'] });
  await using emulator = await startEmulator({ tls: certificate });
  emulator.putSecret('us-east-1', 'db', { password: 'bar' });
  const port = Number(new URL(emulator.url).port);
  const names = { 'secretsmanager.test': port, 'sts.test': port };
  await using proxy = await HttpProxy.start({ credentials: `me:${PASSWORD}`, names });
  const { host } = proxy.url();
  const cluster = makeCertificate(folder, 'cluster');
  const env = {
    ...cleanEnv(),
    ...emulator.environment,
    AWS_ENDPOINT_URL: undefined,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: 'https://secretsmanager.test',
    AWS_ENDPOINT_URL_STS: 'https://sts.test',
    AWS_EC2_METADATA_DISABLED: 'true',
    HTTPS_PROXY: proxy.url(`me:${PASSWORD}`).href,
    HTTP_PROXY: `http://me:${PASSWORD}@plain.test:3128`,
    NO_PROXY: 'store.test',
    VAULTPLANE_DATA_DIR: `${folder}/dp`,
    VAULTPLANE_CLUSTER_CERT: cluster.certFile,
    VAULTPLANE_CLUSTER_CERT_KEY: cluster.keyFile,
    VAULTPLANE_CLUSTER_CONTROL_PLANE: '127.0.0.1:9',
    VAULTPLANE_API_LISTEN: `127.0.0.1:${await freePort()}`,
    VAULTPLANE_SSL_TRUSTED_CERTIFICATE: `system,${certificate.certFile}`,
    VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
    VAULTPLANE_VAULT_HCV_HOST: '127.0.0.1',
    VAULTPLANE_VAULT_HCV_PORT: '9',
    VAULTPLANE_VAULT_HCV_TOKEN: 'a-token',
    VAULTPLANE_CONFIG_FALLBACK_URL: 'https://store.test/config',
  };
  const run = (main: string, ...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args], { env, cwd: folder }).catch((failed) => failed);
  const got = await run(DATA_PLANE_MAIN, 'get', '{vault://aws/db/password}');
  assert.equal(got.stdout, 'bar', got.stderr);
  assert.deepEqual(proxy.asked, ['secretsmanager.test:443']);

  const { says, all } = await checkCommand(env);
  const through = `through http://${host} (HTTPS_PROXY)`;
  assert.deepEqual(says.proxy?.split('; ').sort(), [
    'http://127.0.0.1:9 directly (this machine)',
    `https://secretsmanager.test ${through}`,
    'https://store.test directly (NO_PROXY)',
    `https://sts.test ${through}`,
  ]);
  assert.match(says['vault aws']!, /answers, as arn:aws:iam/);
  Object.assign(env, { VAULTPLANE_CONFIG_EXPORT_URL: 's3://configs/config', VAULTPLANE_DATA_DIR: `${folder}/cp` });
  const control = await run(CONTROL_PLANE_MAIN, 'check');
  assert.match(
    control.stdout,
    new RegExp(`proxy: https://configs\\.s3\\.us-east-1\\.amazonaws\\.com through http://${host} `),
  );
  const bad = await checkCommand({ ...env, HTTPS_PROXY: `socks5://me:${PASSWORD}@proxy.test` });
  assert.equal(bad.ok, false);
  assert.match(bad.says.proxy!, /^HTTPS_PROXY \(not shown\) can't be used/);
  for (const text of [all, bad.all, control.stdout, control.stderr, got.stderr])
    assert.ok(!text.includes(PASSWORD), text);
});

it('commands ask programs of this machine directly, whatever proxy Node.js is told to use', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const controlPlane = await deployment.planControlPlane('cp', {
    VAULTPLANE_ADMIN_TOKEN: 'c4n4ry-admin-token-of-32-letters',
  });
  await controlPlane.start();
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {});
  await dataPlane.start();
  await using proxy = await HttpProxy.start({});
  const throughProxy = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy.url().href, HTTPS_PROXY: proxy.url().href };
  const run = (main: string, env: NodeJS.ProcessEnv, ...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args], { env: { ...env, ...throughProxy } }).catch(
      (failed) => failed,
    );
  const nodes = await run(CONTROL_PLANE_MAIN, controlPlane.env, 'node', 'list');
  const status = await run(DATA_PLANE_MAIN, dataPlane.env, 'status');
  assert.deepEqual(proxy.asked, []);
  assert.ok(!nodes.code, nodes.stderr);
  assert.ok(!status.code, status.stderr);
});
