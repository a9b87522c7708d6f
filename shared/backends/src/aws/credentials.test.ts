import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { quickestRunMs } from '@vaultplane/testkit/quickest-run.ts';
import { OWN } from '../backend.ts';
import { BARE_ENV, openAws } from '../testing/open-aws.ts';
import { answerlessPort, silentPort } from '../testing/silent-port.ts';

const EVERYTHING = [{ effect: 'allow' as const, actions: ['*'] }];
const folder = mkdtempSync(join(tmpdir(), 'vaultplane-credentials-'));
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe('AWS credentials', () => {
  let emulator: Emulator;
  /** An environment without credentials, that leads to the emulator. */
  let env: NodeJS.ProcessEnv;
  before(async () => {
    const trust = { principals: ['*'], webIdentity: [{ token: 'web-identity-token' }] };
    emulator = await startEmulator({
      roles: [
        { name: 'reader', trust, policy: EVERYTHING },
        { name: 'pod', trust, policy: EVERYTHING },
        { name: 'private', trust: { principals: ['999999999999'] }, policy: EVERYTHING },
      ],
      principals: [{ name: 'app', accessKeyId: 'AKIAAPP', secretAccessKey: 'app-secret', policy: EVERYTHING }],
    });
    env = {
      ...BARE_ENV,
      AWS_ENDPOINT_URL: emulator.url,
      AWS_REGION: 'us-east-1',
      AWS_EC2_METADATA_SERVICE_ENDPOINT: emulator.imdsUrl,
    };
    // The SDK reads this from the process itself.
    process.env.AWS_ENDPOINT_URL = emulator.url;
    emulator.putSecret('us-east-1', 'db', 'one');
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.resetCalls();
    emulator.setMachine({ imds: 'v2', sessionSeconds: 21_600 });
  });
  after(() => emulator.stop());

  /** Whose credentials signed the calls for secrets, each once. */
  const signers = () => [
    ...new Set(emulator.calls({ operation: 'GetSecretValue' }).map((call) => call.roleArn ?? call.principalArn)),
  ];
  const role = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
  const APP = 'arn:aws:iam::123456789012:user/app';
  const APP_KEYS = { AWS_ACCESS_KEY_ID: 'AKIAAPP', AWS_SECRET_ACCESS_KEY: 'app-secret' };

  it('come from the environment', async () => {
    await using aws = await openAws(null, {}, { env: { ...env, ...APP_KEYS } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [APP]);
  });

  it('come from the environment with a session token', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = emulator.issueCredentials('reader');
    const keys = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...keys } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [role('reader')]);
  });

  it('come from the profile that AWS_PROFILE names, in the files that are named', async () => {
    const credentials = file(
      'credentials',
      '[team]\naws_access_key_id = AKIAAPP\naws_secret_access_key = app-secret\n',
    );
    const config = file('config', '[profile team]\nregion = eu-west-1\n');
    const files = { AWS_PROFILE: 'team', AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: config };
    emulator.putSecret('eu-west-1', 'db', 'in ireland');
    await using aws = await openAws(null, {}, { env: { ...env, ...files, AWS_REGION: undefined } });
    assert.equal(await aws.read('db'), 'in ireland');
    assert.deepEqual(signers(), [APP]);
    assert.match(aws.backend.description, /eu-west-1 \(profile team\)/);
  });

  it('come from a profile that assumes a role on top of another', async () => {
    const config = file(
      'chained',
      `[profile base]\naws_access_key_id = AKIAAPP\naws_secret_access_key = app-secret\n[profile top]\nrole_arn = ${role('reader')}\nsource_profile = base\n`,
    );
    await using aws = await openAws(null, {}, { env: { ...env, AWS_PROFILE: 'top', AWS_CONFIG_FILE: config } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [role('reader')]);
  });

  for (const [kind, text] of Object.entries({
    SSO: '[profile team]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = x\n',
    process: '[profile team]\ncredential_process = /bin/true\n',
    'SSO beneath a role': `[profile team]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = inner\n[profile inner]\nsso_start_url = https://x\n`,
  })) {
    it(`are refused from a profile of kind ${kind}, by its name`, async () => {
      const config = file(`unsupported ${kind}`, text);
      await using aws = await openAws(null, {}, { env: { ...env, AWS_PROFILE: 'team', AWS_CONFIG_FILE: config } });
      await assert.rejects(aws.read('db'), {
        code: 'unavailable',
        message: /profile (team|inner) is of the kind .* not supported/,
      });
    });
  }

  it('are not sought elsewhere when the profile that was asked for has none', async () => {
    await using aws = await openAws(
      null,
      {},
      { env: { ...env, AWS_PROFILE: 'typo', AWS_EC2_METADATA_DISABLED: undefined } },
    );
    await assert.rejects(aws.read('db'), { code: 'unavailable', message: /AWS_PROFILE names the profile typo/ });
  });

  it('come from the container endpoint, with its token', async () => {
    const full = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: emulator.containerCredentialsUrl,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: emulator.containerToken!,
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...full } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [role('emulator-task')]);
  });

  // ECS's address is fixed, so this needs a network of its own.
  const inNamespace = ['-rn', 'sh', '-c', 'ip link set lo up && ip addr add 169.254.170.2/32 dev lo && exec "$0" "$@"'];
  const namespaces = spawnSync('unshare', [...inNamespace, 'true']).status === 0;
  it('come from ECS by a relative URI', { skip: namespaces ? false : 'no network namespace can be made here' }, () => {
    const script = join(import.meta.dirname, '../testing/container-namespace.ts');
    const run = spawnSync('unshare', [...inNamespace, process.execPath, script], { encoding: 'utf8', timeout: 20_000 });
    const expected = ['169.254.170.2', '/v2/credentials/emulator-task', role('emulator-task')];
    assert.deepEqual(JSON.parse(run.stdout || '[]'), expected, run.stderr);
  });

  it('come from EKS pod identity, whose token is in a file', async () => {
    const pod = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${emulator.imdsUrl}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file('pod-token', emulator.containerToken!),
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...pod } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [role('emulator-task')]);
  });

  it('are not sought elsewhere when the container endpoint refuses', async () => {
    const wrong = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: emulator.containerCredentialsUrl,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'wrong',
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...wrong, AWS_EC2_METADATA_DISABLED: undefined } });
    await assert.rejects(aws.read('db'), (error: Error) => {
      assert.match(error.message, /container: it is configured but failed \(.*401\)/);
      assert.ok(!error.message.includes('wrong'));
      return true;
    });
    assert.equal(emulator.calls({ service: 'imds' }).length, 0);
  });

  it('come from a web identity token file', async () => {
    const identity = {
      AWS_WEB_IDENTITY_TOKEN_FILE: file('web-token', 'web-identity-token'),
      AWS_ROLE_ARN: role('pod'),
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...identity } });
    assert.equal(await aws.read('db'), 'one');
    assert.deepEqual(signers(), [role('pod')]);
  });

  for (const imds of ['v1', 'v2', 'v2-only'] as const) {
    it(`come from the instance metadata service, ${imds}`, async () => {
      emulator.setMachine({ imds });
      await using aws = await openAws(null, {}, { env: { ...env, AWS_EC2_METADATA_DISABLED: undefined } });
      assert.equal(await aws.read('db'), 'one');
      assert.deepEqual(signers(), [role('emulator-instance')]);
    });
  }

  it('are named source by source where there are none, with AWS_EC2_METADATA_DISABLED honoured', async () => {
    await using aws = await openAws(null, {}, { env });
    await assert.rejects(aws.read('db'), (error: Error) => {
      for (const part of [
        'environment: AWS_ACCESS_KEY_ID is not set',
        'shared files: profile default: neither ',
        'container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor',
        'web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set',
        'EC2 instance metadata: AWS_EC2_METADATA_DISABLED is true',
      ]) {
        assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`);
      }
      return true;
    });
    assert.equal(emulator.calls().length, 0);
  });

  for (const [service, open] of Object.entries({ 'never answers': answerlessPort, 'is out of reach': silentPort })) {
    it(`cost about a second to find missing where the metadata service ${service}`, async () => {
      await using metadata = await open();
      const machine = {
        AWS_EC2_METADATA_DISABLED: undefined,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${metadata.port}`,
      };
      // Two timeouts of half a second. The SDK's own would be eight of a whole one.
      const limitMs = 4000;
      const tookMs = await quickestRunMs(limitMs, async () => {
        await using aws = await openAws(null, {}, { env: { ...env, ...machine } });
        const start = performance.now();
        await assert.rejects(aws.read('db'), {
          message: /EC2 instance metadata: no answer with credentials \(timeout\)/,
        });
        return performance.now() - start;
      });
      assert.ok(tookMs < limitMs, `${tookMs} ms`);
    });
  }

  describe('of an assumed role', () => {
    it('are had on top of any others, under the session name that is said', async () => {
      const config = { assume_role_arn: role('reader') };
      for (const [role_session_name, expected] of [
        [undefined, 'KongVault'],
        ['mine', 'mine'],
      ] as const) {
        emulator.resetCalls();
        await using aws = await openAws(
          null,
          { ...config, ...(role_session_name && { role_session_name }) },
          { env: { ...env, ...APP_KEYS } },
        );
        assert.equal(await aws.read('db'), 'one');
        const [call] = emulator.calls({ operation: 'GetSecretValue' });
        assert.deepEqual([call?.roleArn, call?.roleSession], [role('reader'), expected]);
      }
    });

    it('are asked of sts_endpoint_url', async () => {
      await using sts = await startEmulator();
      const config = { assume_role_arn: role('reader'), sts_endpoint_url: `${sts.url}` };
      await using aws = await openAws(null, config, { env: { ...env, ...APP_KEYS } });
      await assert.rejects(aws.read('db'), { code: 'unavailable' });
      assert.equal(sts.calls({ operation: 'AssumeRole' }).length, 1);
      assert.equal(emulator.calls().length, 0);
    });

    it('are denied as AWS denies them, naming the role', async () => {
      await using aws = await openAws(null, { assume_role_arn: role('private') }, { env: { ...env, ...APP_KEYS } });
      await assert.rejects(aws.read('db'), {
        code: 'access_denied',
        message: /role arn:aws:iam::123456789012:role\/private/,
      });
    });

    it('are asked for once by a hundred fetches at once', async () => {
      await using aws = await openAws(null, { assume_role_arn: role('reader') }, { env: { ...env, ...APP_KEYS } });
      await Promise.all(Array.from({ length: 100 }, () => aws.read('db')));
      assert.equal(emulator.counts().AssumeRole, 1);
    });

    it('are kept of a hundred roles, however many sessions and regions are named', async () => {
      await using aws = await openAws(null, {}, { env: { ...env, ...APP_KEYS } });
      const type = VAULT_TYPES.get('aws')!;
      const open = (role_session_name: string) =>
        aws.backends.open('aws', withDefaults(type, { assume_role_arn: role('reader'), role_session_name }), OWN);
      const readAsFirst = async () => {
        const query = { path: 'db', version: { stage: 'AWSCURRENT' } };
        await (await open('first')).fetch(query, new AbortController().signal);
        return emulator.counts().AssumeRole;
      };
      assert.equal(await readAsFirst(), 1);
      for (let other = 0; other < 99; other++) await open(`other-${other}`);
      assert.equal(await readAsFirst(), 1);
      for (let other = 0; other < 100; other++) await open(`another-${other}`);
      assert.equal(await readAsFirst(), 2);
    });

    it('are had anew at once when they have expired, and the call is made again', async () => {
      await using aws = await openAws(null, { assume_role_arn: role('reader') }, { env: { ...env, ...APP_KEYS } });
      assert.equal(await aws.read('db'), 'one');
      const { accessKeyId } = emulator.calls({ operation: 'GetSecretValue' })[0]!;
      emulator.expireCredentials(accessKeyId!);
      const values = await Promise.all(Array.from({ length: 20 }, () => aws.read('db')));
      assert.ok(values.every((value) => value === 'one'));
      assert.equal(emulator.counts().AssumeRole, 2);
    });
  });

  it('that AWS refuses are not a miss, and are tried once where there are no others', async () => {
    const keys = { AWS_ACCESS_KEY_ID: 'AKIAAPP', AWS_SECRET_ACCESS_KEY: 'not the secret' };
    await using aws = await openAws(null, {}, { env: { ...env, ...keys } });
    await assert.rejects(aws.read('db'), {
      code: 'unavailable',
      message: /AWS refuses the credentials \(InvalidSignatureException: The request signature .*secret access key/,
    });
    assert.equal(emulator.counts().GetSecretValue, 1);
  });

  it('that a file gives anew are used as soon as the old ones are refused', async () => {
    const credentials = file('rotating', '[default]\naws_access_key_id = AKIAGONE\naws_secret_access_key = x\n');
    await using aws = await openAws(null, {}, { env: { ...env, AWS_SHARED_CREDENTIALS_FILE: credentials } });
    await assert.rejects(aws.read('db'), { code: 'unavailable' });
    file('rotating', '[default]\naws_access_key_id = AKIAAPP\naws_secret_access_key = app-secret\n');
    assert.equal(await aws.read('db'), 'one');
  });

  it('are never logged', async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = emulator.issueCredentials('reader');
    const keys = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
    await using aws = await openAws(null, {}, { env: { ...env, ...keys } });
    await aws.read('db');
    emulator.expireCredentials(accessKeyId);
    const error = await aws.read('db').catch((thrown: Error) => thrown);
    const said = aws.logged.join('') + String(error) + JSON.stringify(error);
    for (const secret of [secretAccessKey, sessionToken]) assert.ok(!said.includes(secret));
  });
});
