import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { BARE_ENV, type OpenedAws, openAws } from '../testing/open-aws.ts';

const REGION = 'us-east-1';
const KEY = '0b8f9c1e-4d3a-4f6b-9a57-2f6c1d0e8b44';
const OTHER_ACCOUNT = '210987654321';

describe('what AWS says of an error', () => {
  let emulator: Emulator;
  let aws: OpenedAws;
  before(async () => {
    emulator = await startEmulator();
    aws = await openAws(emulator);
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.clearSecrets();
  });
  after(async () => {
    await aws[Symbol.asyncDispose]();
    await emulator.stop();
  });

  /** Reads as a user with this policy. */
  async function openAs(actions: string[]): Promise<OpenedAws> {
    const keys = { accessKeyId: 'AKIAREASON', secretAccessKey: 'canary-of-reasons' };
    emulator.addPrincipal({ name: 'reader', ...keys, policy: [{ effect: 'allow', actions }] });
    const env = {
      ...BARE_ENV,
      ...emulator.environment,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    };
    return openAws(emulator, {}, { env });
  }

  it('about a KMS key that the caller may not use is told, with where to look', async () => {
    emulator.putSecret(REGION, 'db', 'one', { kmsKeyId: KEY });
    await using reader = await openAs(['secretsmanager:*']);
    await assert.rejects(reader.read('db'), {
      code: 'access_denied',
      message:
        'secret "db": access denied (AccessDeniedException: Access to KMS is not allowed); look at the secret\'s KMS key: ' +
        "kms:Decrypt in the caller's policy and in the key policy, and the key's state",
    });
    await using allowed = await openAs(['secretsmanager:*', 'kms:Decrypt']);
    assert.equal(await allowed.read('db'), 'one');
  });

  it('about a KMS key that is disabled or marked for deletion is told, until it is enabled', async () => {
    emulator.putSecret(REGION, 'db', 'one', { kmsKeyId: KEY });
    for (const state of ['Disabled', 'PendingDeletion'] as const) {
      emulator.setKmsKey(REGION, KEY, state);
      await assert.rejects(aws.read('db'), {
        code: 'access_denied',
        message: /\(DecryptionFailure: Secrets Manager can't decrypt .* using the provided KMS key\); look at .*state/,
      });
    }
    emulator.setKmsKey(REGION, KEY, 'Enabled');
    assert.equal(await aws.read('db'), 'one');
  });

  it("about another account's secret under its default key is told apart from one that is not there", async () => {
    const { arn } = emulator.putSecret(REGION, 'db', 'one', {
      account: OTHER_ACCOUNT,
      sharedWith: ['123456789012'],
    });
    await assert.rejects(aws.read(arn), {
      code: 'not_found',
      message: /InvalidRequestException: You can't access a secret from a different AWS account .*customer managed key/,
    });
  });

  it('about a secret that is marked for deletion is told, alone and in a batch', async () => {
    for (const path of ['db', 'app']) {
      emulator.putSecret(REGION, path, 'one');
      await aws.read(path);
    }
    emulator.order({
      match: { secret: 'db' },
      behaviour: {
        kind: 'error',
        status: 400,
        code: 'InvalidRequestException',
        message: "You can't perform this operation on the secret because it was marked for deletion.",
      },
    });
    const expected = {
      code: 'not_found',
      message:
        'secret "db": not found (InvalidRequestException: You can\'t perform this operation on the secret because it was ' +
        'marked for deletion); until its recovery window ends, restore-secret brings it back',
    };
    await assert.rejects(aws.read('db'), expected);
    const queries = ['db', 'app'].map((path) => ({ path, version: { stage: 'AWSCURRENT' } }));
    const [failed] = await aws.backend.fetchMany(queries, new AbortController().signal);
    assert.ok(failed instanceof BackendError);
    assert.deepEqual({ code: failed.code, message: failed.message }, expected);
  });

  it('about a version is told', async () => {
    emulator.putSecret(REGION, 'db', 'one');
    await assert.rejects(aws.read('db', { stage: 'AWSPREVIOUS' }), {
      code: 'not_found',
      message: /can't find the specified secret value for staging label AWSPREVIOUS\)/,
    });
  });

  it('about who may do what on which key, and why not, is told', async () => {
    emulator.putSecret(REGION, 'db', 'one');
    const arn = `arn:aws:kms:us-east-1:123456789012:key/${KEY}`;
    const who = 'arn:aws:sts::123456789012:assumed-role/reader/vaultplane';
    const cases: Array<[code: string, message: string, expected: RegExp]> = [
      [
        'AccessDeniedException',
        `User: ${who} is not authorized to perform: kms:Decrypt on resource: ${arn} because no identity-based policy allows the kms:Decrypt action`,
        /access denied: \S+vaultplane may not kms:Decrypt on arn:aws:kms:\S+ \(.*no identity-based policy allows the kms:Decrypt action\); look at .*KMS key/,
      ],
      [
        'KMSDisabledException',
        `${arn} is disabled.`,
        /access denied \(KMSDisabledException: the KMS key arn\S+ is in the state "disabled"\)/,
      ],
      ['KMSInvalidStateException', `${arn} is pending deletion.`, /is in the state "pending deletion"/],
      [
        'KMSAccessDeniedException',
        'anything',
        /access denied \(KMSAccessDeniedException: the KMS key of the secret does not open it\)/,
      ],
    ];
    for (const [code, message, expected] of cases) {
      emulator.order({ behaviour: { kind: 'error', status: 400, code, message }, times: 1 });
      await assert.rejects(aws.read('db'), { code: 'access_denied', message: expected });
    }
    emulator.order({ behaviour: { kind: 'error', status: 400, code: 'KMSThrottlingException' }, times: 1 });
    await assert.rejects(aws.read('db'), { code: 'unavailable', throttled: true });
  });

  it('of a role that may not be assumed names the trust policy', async () => {
    await using other = await openAws(emulator, { assume_role_arn: 'arn:aws:iam::123456789012:role/nobody' });
    await assert.rejects(other.read('db'), {
      message:
        /may not sts:AssumeRole on arn:aws:iam::123456789012:role\/nobody \(AccessDenied\); look at the role's trust policy/,
    });
  });

  it('of a source of credentials is told', async () => {
    emulator.addRole({ name: 'pod', trust: { webIdentity: [{ token: 'the right token' }] }, policy: [] });
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-reasons-'));
    const token = join(folder, 'token');
    writeFileSync(token, 'another token');
    const config = join(folder, 'config');
    const role = 'role_arn = arn:aws:iam::123456789012:role/pod\n';
    writeFileSync(config, `[profile top]\n${role}source_profile = empty\n[profile empty]\nregion = eu-west-1\n`);
    const pod = { AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/pod', AWS_REGION: REGION };
    const { AWS_ENDPOINT_URL } = emulator.environment as { AWS_ENDPOINT_URL: string };
    const cases: Array<[env: NodeJS.ProcessEnv, expected: RegExp]> = [
      [
        { ...pod, AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'nothing') },
        /web identity: .*\/nothing can't be read: ENOENT: no such file or directory/,
      ],
      [{ ...pod, AWS_WEB_IDENTITY_TOKEN_FILE: token }, /web identity: .*InvalidIdentityToken\w*, HTTP 400/],
      [
        { AWS_PROFILE: 'top', AWS_CONFIG_FILE: config, AWS_REGION: REGION },
        /shared files: .*the profile that it builds on has no credentials/,
      ],
      [
        { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://192.0.2.1/', AWS_REGION: REGION },
        /container: .*AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or lead to this machine/,
      ],
      [
        { AWS_CONTAINER_CREDENTIALS_FULL_URI: emulator.containerCredentialsUrl, AWS_REGION: REGION },
        /container: .*its endpoint refuses; look at AWS_CONTAINER_AUTHORIZATION_TOKEN/,
      ],
    ];
    for (const [env, expected] of cases) {
      await using opened = await openAws(null, {}, { env: { ...BARE_ENV, AWS_ENDPOINT_URL, ...env } });
      await assert.rejects(opened.read('db'), { code: 'unavailable', message: expected });
    }
  });

  it('is not repeated beyond sentences that are known', async () => {
    emulator.putSecret(REGION, 'db', 'one');
    const canary = 'correct horse battery staple';
    for (const code of [
      'AccessDeniedException',
      'InvalidRequestException',
      'DecryptionFailure',
      'InternalServiceError',
    ]) {
      for (const message of [canary, `KMS ${canary}`, `Access to KMS is not allowed ${canary}`]) {
        emulator.order({ behaviour: { kind: 'error', status: 400, code, message }, times: 1 });
        const error = await aws.read('db').catch((thrown: Error) => thrown.message);
        assert.doesNotMatch(String(error), /correct|horse|battery|staple/);
      }
    }
  });
});
