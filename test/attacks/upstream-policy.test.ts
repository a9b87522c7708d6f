import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { ProvisionedBao } from '@vaultplane/backends/testing/provisioned-bao.ts';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { checkCommand } from '../e2e/check-command.ts';
import { type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { watch } from '../e2e/watcher.ts';
import { Thief } from './thief.ts';

const CANARY = 'canary-5b1d';
/** A machine that is busy with other tests is no outage. */
const PATIENT = { VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: '20', VAULTPLANE_UPSTREAM_TIMEOUT: '60' };

interface Rejected {
  prefix: string;
  reason: string;
  grant?: string;
}

async function rejectedBy(dataPlane: DataPlane): Promise<Rejected[]> {
  return ((await dataPlane.status()) as unknown as { rejected_vaults: Rejected[] }).rejected_vaults;
}

async function rejectedAt(controlPlane: ControlPlane): Promise<Rejected[]> {
  const { data } = (await controlPlane.get('/clustering/data-planes')) as never as {
    data: Array<{ rejected_vaults: Rejected[] }>;
  };
  return data.flatMap(({ rejected_vaults }) => rejected_vaults);
}

/** A data plane that has everything worth stealing, and a thief who can write the control plane's vaults. */
class Stage {
  readonly deployment = new Deployment();
  readonly thief: Thief;
  readonly controlPlane: ControlPlane;
  readonly dataPlane: DataPlane;
  readonly keyFile: string;

  private constructor(thief: Thief, controlPlane: ControlPlane, dataPlane: DataPlane, deployment: Deployment) {
    this.thief = thief;
    this.controlPlane = controlPlane;
    this.dataPlane = dataPlane;
    this.deployment = deployment;
    this.keyFile = join(deployment.folder, 'secrets.key');
  }

  static async begin(t: TestContext): Promise<Stage> {
    const deployment = new Deployment();
    t.after(() => deployment.stop());
    const thief = await Thief.start();
    t.after(() => thief.stop());
    const aws = await startEmulator();
    t.after(() => aws.stop());
    aws.putSecret('us-east-1', 'prod/db', { password: `${CANARY}-of-aws` });
    const gcp = await startGcpEmulator();
    t.after(() => gcp.stop());
    const keyring = join(deployment.folder, 'keyring.key');
    writeFileSync(keyring, randomBytes(32).toString('base64'), { mode: 0o600 });
    const controlPlane = await deployment.planControlPlane('cp', { VAULTPLANE_KEYRING_KEY_FILE: keyring });
    await controlPlane.start();
    const keyFile = join(deployment.folder, 'secrets.key');
    writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...aws.environment,
      ...PATIENT,
      GCE_METADATA_HOST: gcp.metadataHost,
      NODES_OWN_TOKEN: `${CANARY}-of-the-environment`,
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: keyFile,
      VAULTPLANE_LOG_LEVEL: 'debug',
    });
    await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    return new Stage(thief, controlPlane, dataPlane, deployment);
  }
}

/** A service account's key as an editor may write it, whose tokens somebody else gives. */
function serviceAccount(tokenUri: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return JSON.stringify({
    ...{ type: 'service_account', client_email: 'me@example.com', project_id: 'p', token_uri: tokenUri },
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
}

describe('an editor of the control plane', () => {
  it('gets nothing of a data plane’s own by vaults that lead to them, by any lookup, watch or check', async (t) => {
    const { thief, controlPlane, dataPlane, keyFile } = await Stage.begin(t);
    const server = { 'config.host': '0.0.0.0', 'config.port': String(thief.port) };
    const http = `http://${thief.address}`;
    const hcv = { name: 'hcv', 'config.protocol': 'http', ...server };
    const approle = { ...hcv, 'config.auth_method': 'approle', 'config.approle_role_id': 'r' };
    const role = 'arn:aws:iam::123456789012:role/any';
    const aws = { name: 'aws', 'config.region': 'us-east-1' };
    const attacks: Record<string, Record<string, string>> = {
      'by-env': { ...hcv, 'config.token': '{vault://env/AWS_SECRET_ACCESS_KEY?prefix=}' },
      'by-spelling': { ...hcv, 'config.token': '{vault://env/nodes%2Down%2Dtoken}' },
      'by-aws': { ...hcv, 'config.token': '{vault://aws/prod/db/password}' },
      'by-whole-secret': { ...hcv, 'config.auth_method': 'jwt', 'config.jwt_token': '{vault://aws/prod/db/}' },
      'by-key-file': { ...approle, 'config.approle_secret_id_file': keyFile },
      'by-api-token': { ...approle, 'config.approle_secret_id_file': join(dataPlane.dataDir, 'api-token') },
      'by-relative-path': { ...approle, 'config.approle_secret_id_file': 'secrets.key' },
      'by-wrapping': {
        ...approle,
        'config.approle_secret_id_file': keyFile,
        'config.approle_response_wrapping': 'true',
      },
      'by-jwt-file': { ...hcv, 'config.auth_method': 'jwt', 'config.jwt_token_file': keyFile },
      'by-kubernetes': { ...hcv, 'config.auth_method': 'kubernetes', 'config.kube_api_token_file': keyFile },
      'by-pod': { ...hcv, 'config.auth_method': 'kubernetes' },
      'by-certificate': {
        ...hcv,
        'config.protocol': 'https',
        'config.auth_method': 'cert',
        'config.cert_auth_cert': dataPlane.env.VAULTPLANE_CLUSTER_CERT!,
        'config.cert_auth_cert_key': dataPlane.env.VAULTPLANE_CLUSTER_CERT_KEY!,
      },
      'by-google': { name: 'gcp', 'config.endpoint_url': http, 'config.project_id': 'my-project' },
      'by-google-loopback': { name: 'gcp', 'config.endpoint_url': `http://127.0.0.1:${thief.port}` },
      'by-token-uri': { name: 'gcp', 'config.service_account': serviceAccount(`${http}/internal`) },
      'by-google-key': { name: 'gcp', 'config.endpoint_url': http, 'config.service_account': '{vault://env/KEY}' },
      'by-endpoint': { ...aws, 'config.endpoint_url': http },
      'by-sts': { ...aws, 'config.sts_endpoint_url': http, 'config.assume_role_arn': role },
    };
    await controlPlane.putVault('by-watch', aws);
    await dataPlane.caughtUpWith(controlPlane);
    await watch(t, dataPlane, '{vault://by-watch/prod/db/password}').until(`${CANARY}-of-aws`);
    attacks['by-watch'] = attacks['by-endpoint']!;
    for (const [prefix, form] of Object.entries(attacks)) await controlPlane.putVault(prefix, form);
    await dataPlane.caughtUpWith(controlPlane);

    for (const prefix of Object.keys(attacks)) {
      for (const refresh of [false, true]) {
        const { error, value } = await dataPlane.resolve(`{vault://${prefix}/any/thing}`, { refresh });
        assert.equal(value, undefined, prefix);
        assert.equal(error?.code, 'unavailable', prefix);
        assert.match(error!.message, /upstream_policy of the data plane does not let .* go to /, prefix);
      }
    }
    const rejected = await rejectedBy(dataPlane);
    assert.deepEqual(rejected.map(({ prefix }) => prefix).sort(), Object.keys(attacks).sort());
    const granting = rejected.filter(({ prefix }) => prefix !== 'by-relative-path');
    for (const { prefix, grant } of granting) {
      const grants = JSON.parse(`[${grant}]`) as Array<{ type: string; destination: string }>;
      assert.deepEqual([...new Set(grants.map(({ type }) => type))], [attacks[prefix]!.name], prefix);
    }
    await dataPlane.savedWhatIsOf(controlPlane);
    const { ok, says } = await checkCommand(dataPlane.env);
    assert.equal(ok, false);
    for (const { prefix, grant } of rejected) {
      const found = says[`vault ${prefix}`] ?? '';
      assert.match(found, /^is not used: upstream_policy/, prefix);
      assert.ok(found.endsWith(grant ?? ''), found);
    }
    await until('the control plane knows', async () => {
      return (await rejectedAt(controlPlane)).length === Object.keys(attacks).length;
    });
    const told = new Map((await rejectedAt(controlPlane)).map(({ prefix, grant }) => [prefix, grant]));
    for (const { prefix, grant } of rejected) assert.equal(told.get(prefix), grant, prefix);
    const log = readFileSync(join(dataPlane.dataDir, '..', 'dp.log'), 'utf8');
    for (const prefix of Object.keys(attacks)) assert.ok(log.includes(`"vault":"${prefix}"`), prefix);

    assert.equal(thief.connections, 0, thief.received.join('\n\n'));
  });

  it('makes a data plane ask no metadata address, however it is spelt', async (t) => {
    const { controlPlane, dataPlane } = await Stage.begin(t);
    const hosts = ['169.254.169.254', '2852039166', '0xA9FEA9FE', '0251.0376.0251.0376', '::ffff:169.254.169.254'];
    for (const [index, host] of [...hosts, 'fd00:ec2::254', '168.63.129.16', '100.100.100.200'].entries()) {
      const prefix = `metadata-${index}`;
      // A literal credential, which may go anywhere else.
      await controlPlane.putVault(prefix, { name: 'hcv', 'config.host': host, 'config.token': 'literal' });
      await dataPlane.caughtUpWith(controlPlane);
      const { error } = await dataPlane.resolve(`{vault://${prefix}/latest/meta-data}`);
      assert.match(error!.message, /link-local or metadata address/, host);
    }
    await controlPlane.putVault('by-url', { name: 'gcp', 'config.endpoint_url': 'http://0xa9fea9fe/computeMetadata' });
    await dataPlane.caughtUpWith(controlPlane);
    assert.match((await dataPlane.resolve('{vault://by-url/x}')).error!.message, /link-local or metadata address/);
    assert.equal((await rejectedBy(dataPlane)).length, 9);
  });
});

describe('upstream_policy', { skip: noOpenBao() ?? false }, () => {
  it('lets a vault be used by the grant that its rejection has, for as long as the grant is there', async (t) => {
    const deployment = new Deployment();
    t.after(() => deployment.stop());
    const bao = await ProvisionedBao.start(join(deployment.folder, 'secret-id'));
    t.after(() => bao.stop());
    await bao.put('db', { password: CANARY });
    const policy = deployment.policy([]);
    const path = policy.VAULTPLANE_UPSTREAM_POLICY;
    const write = (text: string) => writeFileSync(path, text);
    const controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, { ...policy, ...PATIENT });
    const data = await dataPlane.start();
    await controlPlane.putVault('hcv-vault', { ...bao.vaultForm, 'config.ttl': '1' });
    await dataPlane.caughtUpWith(controlPlane);
    const reference = '{vault://hcv-vault/db/password}';
    assert.equal((await dataPlane.resolve(reference)).error?.code, 'unavailable');

    await until('the control plane knows', async () => (await rejectedAt(controlPlane)).length === 1);
    const [{ grant }] = (await rejectedAt(controlPlane)) as [Rejected];
    // Before an upgrade it can be had from what is stored, without a program that runs.
    await dataPlane.savedWhatIsOf(controlPlane);
    const args = [DATA_PLANE_MAIN, 'check', '--suggest-policy'];
    const suggested = spawnSync(process.execPath, args, { env: dataPlane.env, encoding: 'utf8' });
    assert.equal(suggested.status, 0, suggested.stderr);
    assert.deepEqual(JSON.parse(suggested.stdout), { grants: [JSON.parse(grant!)] });
    assert.match(suggested.stderr, /^vault hcv-vault: upstream_policy .*\nReview each grant: /);

    write(suggested.stdout);
    await until('the grant is in force', async () => (await rejectedBy(dataPlane)).length === 0);
    assert.equal((await dataPlane.resolve(reference)).value, CANARY);
    await until('the control plane knows', async () => (await rejectedAt(controlPlane)).length === 0);

    // What can't be used changes nothing, and is told.
    const problem = async () =>
      ((await dataPlane.status()) as unknown as { upstream_policy: { problem: string | null } }).upstream_policy
        .problem;
    for (const [spoil, reason] of [
      [() => write('{"grants":['), /is not JSON/],
      [() => write('{"grants":[],"grant":[]}'), /has a member that is not one of/],
      [() => rmSync(path), /can't be read \(ENOENT\)/],
      [
        () => {
          write('{"grants":[]}');
          chmodSync(path, 0o622);
        },
        /can be written by others than its owner; chmod go-w it/,
      ],
    ] as const) {
      spoil();
      await until(String(reason), async () => reason.test((await problem()) ?? ''));
      assert.equal((await dataPlane.resolve(reference, { refresh: true })).value, CANARY);
      // With a data_dir of its own: that of the one that runs is in use.
      const env = { ...dataPlane.env, VAULTPLANE_DATA_DIR: join(deployment.folder, 'another') };
      const start = spawnSync(process.execPath, [DATA_PLANE_MAIN, 'start'], { env, encoding: 'utf8' });
      assert.equal(start.status, 1, start.stdout);
      assert.match(start.stderr, new RegExp(`^vaultplane-dp: upstream_policy = ${path} .*\\n$`, 'm'));
      assert.match((await checkCommand(dataPlane.env)).says.upstream_policy!, reason);
    }

    // Taken away: nothing more leaves, and what is held is served on.
    chmodSync(path, 0o600);
    await until('the vault is rejected', async () => (await rejectedBy(dataPlane)).length === 1);
    assert.equal(await problem(), null);
    await until('what is held can not be refreshed', async () => {
      const { state, value } = await dataPlane.resolve(reference);
      assert.equal(value, CANARY);
      return state === 'resurrected';
    });
    const other = await dataPlane.resolve('{vault://hcv-vault/other/password}');
    assert.match(other.error!.message, /upstream_policy of the data plane does not let what is in .* go to http:/);
    write(`{"grants":[${grant}]}`);
    await until(
      'it is fresh again',
      async () => (await dataPlane.resolve(reference, { refresh: true })).state === 'fresh',
    );

    // A command that finds no data plane goes by the same file.
    await dataPlane.savedWhatIsOf(controlPlane);
    await data.stop();
    const get = () =>
      spawnSync(process.execPath, [DATA_PLANE_MAIN, 'get', reference], { env: dataPlane.env, encoding: 'utf8' });
    assert.equal(get().stdout, CANARY);
    write('{"grants":[]}');
    assert.match(get().stderr, /upstream_policy of the data plane does not let/);
  });
});

it('a malicious server gets no further by sending a data plane elsewhere', async (t) => {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const thief = await Thief.start();
  t.after(() => thief.stop());
  const granted = await Thief.start(() => ({ status: 307, headers: { location: `http://${thief.address}/` } }));
  t.after(() => granted.stop());
  const destination = `http://${granted.address}`;
  const gcp = await startGcpEmulator();
  t.after(() => gcp.stop());
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    ...PATIENT,
    ...deployment.policy([
      { type: 'hcv', destination, environment: ['HCV_TOKEN'] },
      { type: 'gcp', destination, identity: true },
      { type: 'aws', destination, identity: true },
    ]),
    GCE_METADATA_HOST: gcp.metadataHost,
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: CANARY,
    HCV_TOKEN: CANARY,
  });
  await dataPlane.start();
  await controlPlane.putVault('by-hcv', {
    ...{ name: 'hcv', 'config.host': '0.0.0.0', 'config.port': String(granted.port) },
    'config.token': '{vault://env/HCV_TOKEN}',
  });
  await controlPlane.putVault('by-gcp', { name: 'gcp', 'config.endpoint_url': destination });
  await controlPlane.putVault('by-aws', {
    name: 'aws',
    'config.endpoint_url': destination,
    'config.region': 'us-east-1',
  });
  await dataPlane.caughtUpWith(controlPlane);
  assert.deepEqual(await rejectedBy(dataPlane), []);
  for (const prefix of ['by-hcv', 'by-gcp', 'by-aws']) {
    assert.ok((await dataPlane.resolve(`{vault://${prefix}/db}`)).error, prefix);
  }
  assert.ok(granted.received.length >= 3);
  assert.equal(thief.connections, 0);
});
