import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { encodeSnapshotFile } from './config-sync/snapshot-file.ts';
import { type DataPlane, startDataPlane } from './data-plane.ts';
import { loadDataPlaneSettings } from './settings.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';
import { TIMELINE } from './testing/vault-entities.ts';

const MAIN = join(import.meta.dirname, 'main.mjs');
const CANARY = 'canary-value-3b1f';
const SECRET_KEY = 'canary-secret-key-77aa';
const READER = 'arn:aws:iam::123456789012:role/reader';

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs vaultplane-dp with this environment and no other. */
function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.once('close', (status) => resolve({ status, stdout, stderr }));
  return promise;
}

const oneLine = (text: string) => assert.match(text, /^[^\n]+\n$/);

describe('vaultplane-dp', () => {
  it('has help for itself and for each of its commands', async () => {
    const { status, stdout } = await run(['--help']);
    assert.equal(status, 0);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'help');
    for (const name of ['start', 'check', 'status', 'get', 'exec']) assert.ok(commands.includes(name), name);
    const helps = await Promise.all(commands.map((name) => run([name!, '--help'])));
    for (const [index, help] of helps.entries()) {
      assert.equal(help.status, 0, commands[index]!);
      assert.match(help.stdout, new RegExp(`^Usage: vaultplane-dp ${commands[index]} `));
      assert.equal(help.stderr, '');
    }
  });

  for (const args of [
    [],
    ['nonsense'],
    ['get'],
    ['get', '{vault://aws/x}', 'y'],
    ['status', '--nonsense'],
    ['get', 'x'],
  ]) {
    it(`is called wrongly by ${JSON.stringify(args)}: status 2, and nothing on stdout`, async () => {
      const { status, stdout, stderr } = await run(args);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    });
  }

  it('says in one line what is wrong with its settings, for every command that reads them', async () => {
    for (const args of ['start', 'check', 'status', 'get {vault://env/x}'].map((words) => words.split(' '))) {
      const { status, stdout, stderr } = await run(args, { VAULTPLANE_STATUS_LISTEN: 'nowhere' });
      assert.equal(status, 1, args[0]!);
      assert.equal(stdout, '');
      oneLine(stderr);
      assert.match(stderr, /VAULTPLANE_STATUS_LISTEN: status_listen = "nowhere" is not allowed; it must be HOST:PORT/);
    }
    const missing = await run(['check', '--conf', '/nonexistent.conf']);
    assert.equal(missing.status, 1);
    oneLine(missing.stderr);
  });
});

describe('commands of vaultplane-dp over AWS', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  let emulator: Emulator;
  let dataPlane: DataPlane | undefined;
  /** Of a data plane that no other test has. */
  let env: NodeJS.ProcessEnv;
  let dataDir: string;
  let folders = 0;
  before(async () => {
    emulator = await startEmulator({
      principals: [
        {
          name: 'app',
          accessKeyId: 'AKIAAPP',
          secretAccessKey: SECRET_KEY,
          policy: [{ effect: 'allow', actions: ['*'] }],
        },
      ],
      roles: [
        { name: 'reader', trust: { principals: ['*'] }, policy: [{ effect: 'allow', actions: ['*'] }] },
        { name: 'private', trust: { principals: ['999999999999'] }, policy: [] },
      ],
    });
    emulator.putSecret('us-east-1', 'db', { password: CANARY, port: 5432 });
    emulator.putSecret('us-east-1', 'binary', Buffer.from([0, 255]));
  });
  after(() => emulator?.stop());
  const { certFile, keyFile } = noCertificates ? { certFile: '', keyFile: '' } : makeCertificate(folder, 'cluster');

  /** A data plane's settings; not started. */
  function plan(more: NodeJS.ProcessEnv = {}): void {
    dataDir = join(folder, `dp-${folders++}`);
    mkdirSync(dataDir, { mode: 0o700 });
    env = {
      HOME: folder,
      VAULTPLANE_DATA_DIR: dataDir,
      VAULTPLANE_CLUSTER_CERT: certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
      // Nothing is there: port 1 is nobody's.
      VAULTPLANE_API_LISTEN: '127.0.0.1:1',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:1',
      VAULTPLANE_CLUSTER_CONTROL_PLANE: '127.0.0.1:1',
      // A machine that is busy with other tests is no outage.
      VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: '20',
      KONG_UPSTREAM_TIMEOUT: '60',
      AWS_ENDPOINT_URL: emulator.url,
      AWS_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      METADATA_SERVER_DETECTION: 'none',
      AWS_ACCESS_KEY_ID: 'AKIAAPP',
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
      ...more,
    };
  }

  async function start(): Promise<void> {
    const own = { ...env, VAULTPLANE_API_LISTEN: '127.0.0.1:0', VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0' };
    dataPlane = await startDataPlane(await loadDataPlaneSettings({ env: own }), { log: silentLog, env: own });
    env.VAULTPLANE_API_LISTEN = new URL(dataPlane.apiUrl).host;
    env.VAULTPLANE_STATUS_LISTEN = new URL(dataPlane.statusUrl).host;
  }

  /** What the last control plane has said. */
  function saveConfiguration(vaults: Record<string, VaultConfig>): void {
    const entities = Object.entries(vaults).map(([prefix, config], index) => {
      const id = `00000000-0000-4000-8000-00000000000${index}`;
      return { id, prefix, name: 'aws', description: null, tags: null, config, created_at: 1, updated_at: 1 };
    });
    const snapshot = makeSnapshot(TIMELINE, 4, entities);
    const defaults = { vault_aws_region: 'eu-west-1' };
    writeFileSync(join(dataDir, 'config.snapshot'), encodeSnapshotFile({ snapshot, defaults, savedAt: Date.now() }));
  }

  afterEach(async () => {
    await dataPlane?.stop();
    dataPlane = undefined;
    emulator.resetCalls();
  });

  it('get prints the value alone, by itself where no data plane runs', async () => {
    plan();
    assert.deepEqual(await run(['get', '{vault://aws/db/password}'], env), { status: 0, stdout: CANARY, stderr: '' });
    assert.equal(emulator.counts().GetSecretValue, 1);
    assert.equal((await run(['get', '{vault://aws/db/port}'], env)).stdout, '5432');
  });

  it('get by itself knows the vaults of the last configuration, and the file of settings', async () => {
    plan();
    saveConfiguration({ 'sm-vault': { region: 'us-east-1' } });
    const conf = join(dataDir, 'own.conf');
    writeFileSync(conf, `data_dir = ${dataDir}\napi_listen = 127.0.0.1:1\n`);
    const { VAULTPLANE_DATA_DIR: _, VAULTPLANE_API_LISTEN: __, ...rest } = env;
    const { status, stdout } = await run(['get', '--conf', conf, '{vault://sm-vault/db/password}'], rest);
    assert.deepEqual([status, stdout], [0, CANARY]);
  });

  it('get --json prints the facts of the value, and base64 for a binary one', async () => {
    plan();
    const text = JSON.parse((await run(['get', '{vault://aws/db/password}', '--json'], env)).stdout);
    assert.deepEqual(
      [text.value, text.state, text.version.stages, text.vault],
      [CANARY, 'fresh', ['AWSCURRENT'], 'aws'],
    );
    assert.equal(text.config_version, null);
    const binary = JSON.parse((await run(['get', '--json', '{vault://aws/binary}'], env)).stdout);
    assert.deepEqual([binary.value, binary.encoding], ['AP8=', 'base64']);
  });

  it('get fails in one line that names the code and no value', async () => {
    plan();
    for (const [reference, code] of [
      ['{vault://aws/nope/x}', 'not_found'],
      ['{vault://aws/db/nope}', 'key_not_found'],
      ['{vault://aws/db/password#3}', 'unsupported_version'],
      ['{vault://nope/db/password}', 'not_ready'],
    ] as const) {
      const { status, stdout, stderr } = await run(['get', reference], env);
      assert.deepEqual([status, stdout], [1, ''], reference);
      oneLine(stderr);
      assert.ok(stderr.startsWith(`vaultplane-dp: ${code}: `), stderr);
      assert.ok(!stderr.includes(CANARY));
    }
    const wrong = await run(['get', '{vault://aws/db/password?endpoint_url=http://x}'], env);
    assert.equal(wrong.status, 2);
    oneLine(wrong.stderr);
  });

  it('get asks the data plane that runs with the same settings', async () => {
    plan();
    await start();
    assert.equal((await run(['get', '{vault://aws/db/password}'], env)).stdout, CANARY);
    emulator.order({ behaviour: { kind: 'cut' }, times: 1 });
    assert.equal((await run(['get', '{vault://aws/db/password}'], env)).stdout, CANARY);
    emulator.clearOrders();
    assert.equal(emulator.counts().GetSecretValue, 1, 'the second one was served from what the data plane holds');
    const otherToken = join(dataDir, 'other-token');
    writeFileSync(otherToken, 'another-token');
    const refused = await run(['get', '{vault://aws/db/password}'], { ...env, VAULTPLANE_API_TOKEN_FILE: otherToken });
    assert.equal(refused.status, 1);
    oneLine(refused.stderr);
    assert.match(refused.stderr, /api_token_file/);
  });

  it('status shows the data plane that runs, and fails where none does', async () => {
    plan();
    const none = await run(['status'], env);
    assert.deepEqual([none.status, none.stdout], [1, '']);
    oneLine(none.stderr);
    assert.match(none.stderr, /status_listen = 127\.0\.0\.1:1; start one with vaultplane-dp start/);
    saveConfiguration({ 'sm-vault': {} });
    await start();
    const shown = await run(['status'], env);
    assert.equal(shown.status, 0);
    assert.match(shown.stdout, /^ready\nconfiguration: version 4 from disk, 1 vaults, /);
    const facts = JSON.parse((await run(['status', '--json'], env)).stdout);
    assert.deepEqual([facts.program, facts.config.version, facts.control_plane.connected], ['vaultplane-dp', 4, false]);
  });

  it('check shows whose credentials won, and whether each vault answers, and where its region is from', async () => {
    plan({ VAULTPLANE_VAULT_AWS_ASSUME_ROLE_ARN: READER });
    saveConfiguration({ 'sm-vault': { region: 'us-east-1' }, 'by-default': {} });
    const { status, stdout, stderr } = await run(['check'], env);
    assert.deepEqual([status, stderr], [0, ''], stdout);
    const user = 'arn:aws:iam::123456789012:user/app, account 123456789012, with credentials from environment';
    const at = `at ${emulator.url} (AWS_ENDPOINT_URL)`;
    for (const line of [
      'ok      settings: valid',
      `ok      AWS credentials: ${user}`,
      `ok      vault sm-vault: AWS Secrets Manager in us-east-1 (the vault's region) ${at} answers, as ${user}`,
      `ok      vault by-default: AWS Secrets Manager in eu-west-1 (the control plane's vault_aws_region) ${at} answers, as ${user}`,
    ]) {
      assert.ok(stdout.split('\n').includes(line), `${line} is not in:\n${stdout}`);
    }
    assert.match(
      stdout,
      new RegExp(`vault aws: .* as arn:aws:sts::\\d+:assumed-role/reader/KongVault, .* then ${READER}`),
    );
    assert.ok(!stdout.includes(CANARY) && !stdout.includes(SECRET_KEY));
    const read = emulator.calls({ operation: 'GetSecretValue' }).flatMap(({ secretIds }) => secretIds);
    assert.ok(
      read.every((secret) => secret.startsWith('vaultplane-check-')),
      'no secret is read',
    );
  });

  it('check fails by name where a role is denied, a vault does not answer, or there are no credentials', async () => {
    plan();
    saveConfiguration({
      'sm-vault': { region: 'us-east-1' },
      denied: { region: 'us-east-1', assume_role_arn: 'arn:aws:iam::123456789012:role/private' },
      gone: { region: 'us-east-1', endpoint_url: 'http://127.0.0.1:2' },
    });
    const { status, stdout } = await run(['check', '--json'], env);
    assert.equal(status, 1);
    const { ok, findings } = JSON.parse(stdout) as {
      ok: boolean;
      findings: Array<{ what: string; ok: boolean; says: string }>;
    };
    assert.equal(ok, false);
    const failed = findings.filter((finding) => !finding.ok);
    assert.deepEqual(failed.map(({ what }) => what).sort(), ['vault denied', 'vault gone']);
    assert.match(failed.find(({ what }) => what === 'vault denied')!.says, /role\/private: access denied/);
    assert.match(failed.find(({ what }) => what === 'vault gone')!.says, /ECONNREFUSED/);

    const nobody = await run(['check'], { ...env, AWS_ACCESS_KEY_ID: '' });
    assert.equal(nobody.status, 1);
    assert.match(
      nobody.stdout,
      /FAILED {2}AWS credentials: .*environment: AWS_ACCESS_KEY_ID is not set; shared files: /,
    );
  });

  it('check names the profile of a kind that is refused, and asks for no credentials that nothing needs', async () => {
    plan({ AWS_ACCESS_KEY_ID: '', AWS_PROFILE: 'corp', AWS_CONFIG_FILE: join(folder, 'aws-config') });
    writeFileSync(
      join(folder, 'aws-config'),
      '[profile corp]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = x\n',
    );
    const unneeded = await run(['check'], env);
    assert.equal(unneeded.status, 0, unneeded.stdout);
    assert.match(unneeded.stdout, /ok {6}AWS credentials: none, and no vault here needs them \(.*profile corp.*SSO/);
    const needed = await run(['check'], { ...env, KONG_VAULT_AWS_REGION: 'us-east-1' });
    assert.equal(needed.status, 1);
    assert.match(needed.stdout, /FAILED {2}AWS credentials: .*the AWS profile corp is of the kind SSO/);
  });
});
