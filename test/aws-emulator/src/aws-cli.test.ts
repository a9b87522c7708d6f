import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Emulator, startEmulator } from './emulator.ts';

const run = promisify(execFile);

/** Null when it runs here, otherwise why it does not. */
function missingCli(): string | null {
  try {
    execFileSync('aws', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the AWS CLI (`aws`) is not installed';
  }
}
const missing = missingCli();

describe('the AWS CLI against the emulator', { skip: missing ?? false }, () => {
  let emulator: Emulator;
  before(async () => {
    emulator = await startEmulator();
  });
  after(() => emulator.stop());

  const aws = async (args: string[], more: Record<string, string> = {}) => {
    // An empty configuration, so that a developer's profiles stay out of it; `AWS_ENDPOINT_URL` is too new for old CLIs.
    const files = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    const path = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
    const env = { ...path, ...files, ...emulator.environment, AWS_MAX_ATTEMPTS: '1', ...more };
    const { stdout } = await run('aws', [...args, '--endpoint-url', emulator.url, '--output', 'json'], { env });
    return stdout === '' ? null : JSON.parse(stdout);
  };

  it('creates, rotates, reads, lists and deletes a secret', async () => {
    const created = await aws(['secretsmanager', 'create-secret', '--name', 'cli', '--secret-string', 'one']);
    const rotated = await aws(['secretsmanager', 'put-secret-value', '--secret-id', 'cli', '--secret-string', 'two']);
    assert.deepEqual(rotated.VersionStages, ['AWSCURRENT']);
    const read = await aws(['secretsmanager', 'get-secret-value', '--secret-id', created.ARN]);
    assert.deepEqual([read.Name, read.SecretString, read.VersionId], ['cli', 'two', rotated.VersionId]);
    const previous = ['--version-stage', 'AWSPREVIOUS'];
    const old = await aws(['secretsmanager', 'get-secret-value', '--secret-id', 'cli', ...previous]);
    assert.equal(old.SecretString, 'one');
    const batch = await aws(['secretsmanager', 'batch-get-secret-value', '--secret-id-list', 'cli', 'none']);
    assert.deepEqual([batch.SecretValues.length, batch.Errors[0].ErrorCode], [1, 'ResourceNotFoundException']);
    const list = await aws(['secretsmanager', 'list-secrets', '--filters', 'Key=name,Values=cl']);
    assert.equal(list.SecretList[0].Name, 'cli');
    await aws(['secretsmanager', 'delete-secret', '--secret-id', 'cli', '--force-delete-without-recovery']);
    await assert.rejects(aws(['secretsmanager', 'get-secret-value', '--secret-id', 'cli']), {
      stderr: /\(ResourceNotFoundException\) when calling the GetSecretValue operation/,
    });
  });

  it('assumes a role and is that role', async () => {
    const RoleArn = 'arn:aws:iam::123456789012:role/emulator-task';
    const { Credentials } = await aws(['sts', 'assume-role', '--role-arn', RoleArn, '--role-session-name', 'cli']);
    const identity = await aws(['sts', 'get-caller-identity'], {
      AWS_ACCESS_KEY_ID: Credentials.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: Credentials.SecretAccessKey,
      AWS_SESSION_TOKEN: Credentials.SessionToken,
    });
    assert.equal(identity.Arn, 'arn:aws:sts::123456789012:assumed-role/emulator-task/cli');
  });

  it('is refused with a wrong key', async () => {
    await assert.rejects(aws(['sts', 'get-caller-identity'], { AWS_SECRET_ACCESS_KEY: 'wrong' }), {
      stderr: /\(SignatureDoesNotMatch\)/,
    });
  });
});
