import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { makeAuthority, makeNodeCertificate } from '@vaultplane/control-plane/fleet/certificate-maker.ts';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { CONTROL_PLANE_MAIN, cleanEnv, Deployment } from './deployment.ts';

const PASSWORD = 'canary-password-of-the-database';

describe('a control plane whose pg_password is a reference to AWS, over verified TLS', {
  skip: postgresMissing(),
}, () => {
  const deployment = new Deployment();
  let postgres: PostgresServer;
  let emulator: Emulator;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    const authority = await makeAuthority();
    const { certificate, key } = await makeNodeCertificate(authority, 'localhost', 'server');
    postgres = await startPostgresServer({ password: PASSWORD, tls: { cert: certificate, key } });
    const ca = join(deployment.folder, 'pg-ca.crt');
    writeFileSync(ca, authority.certificate);
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'cp-db', { user: 'vaultplane', password: PASSWORD });
    const out = join(deployment.folder, 'certs');
    execFileSync(process.execPath, [CONTROL_PLANE_MAIN, 'certs', 'create', '--out', out], {
      env: cleanEnv(),
      stdio: 'pipe',
    });
    env = {
      ...emulator.environment,
      AWS_EC2_METADATA_DISABLED: 'true',
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: 'localhost',
      VAULTPLANE_PG_PORT: String(postgres.port),
      VAULTPLANE_PG_DATABASE: await postgres.createDatabase(),
      VAULTPLANE_PG_SSL: 'on',
      VAULTPLANE_PG_SSL_CA: ca,
      VAULTPLANE_PG_USER: '{vault://aws/cp-db/user}',
      VAULTPLANE_PG_PASSWORD: '{vault://aws/cp-db/password}',
      VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
      VAULTPLANE_CLUSTER_CERT: join(out, 'cluster.crt'),
      VAULTPLANE_CLUSTER_CERT_KEY: join(out, 'cluster.key'),
    };
  });
  after(async () => {
    await deployment.stop();
    await Promise.all([postgres?.stop(), emulator?.stop()]);
  });

  it('starts, works, and writes the password nowhere', async () => {
    const controlPlane = await deployment.planControlPlane('cp', env);
    const program = await controlPlane.start();
    await controlPlane.putVault('my-vault', { name: 'env' });
    assert.deepEqual((await controlPlane.get('/status')).database, { reachable: true });
    await program.stop();
    assert.deepEqual(deployment.filesWith([PASSWORD]), []);
  });

  it('says in one line what is wrong where the secret is another, or not there', async () => {
    const controlPlane = await deployment.planControlPlane('cp', env);
    // Not waited for in this thread: the emulator answers in it.
    const check = (more: NodeJS.ProcessEnv) =>
      new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
        const options = { env: { ...controlPlane.env, ...more }, cwd: deployment.folder };
        const child = execFile(process.execPath, [CONTROL_PLANE_MAIN, 'check'], options, (_error, stdout, stderr) =>
          resolve({ status: child.exitCode ?? -1, stdout, stderr }),
        );
      });
    emulator.putSecret('us-east-1', 'other', { password: 'canary-wrong' });
    const wrong = await check({ VAULTPLANE_PG_PASSWORD: '{vault://aws/other/password}' });
    assert.equal(wrong.status, 1);
    assert.match(wrong.stdout, /FAILED {2}database: .*password authentication failed/);
    const missing = await check({ VAULTPLANE_PG_PASSWORD: '{vault://aws/none-such/password}' });
    assert.equal(missing.status, 1);
    assert.match(
      missing.stderr,
      /^vaultplane-cp: .*pg_password = \{vault:\/\/aws\/none-such\/password\} could not be resolved: .*\n$/,
    );
    for (const { stdout, stderr } of [wrong, missing]) assert.doesNotMatch(stdout + stderr, /canary/);
  });
});
