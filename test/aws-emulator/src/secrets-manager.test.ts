import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  RestoreSecretCommand,
  type SecretsManagerClient,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { type Emulator, startEmulator } from './emulator.ts';
import { secretsClient } from './sdk-clients.ts';

const DAY_MS = 86_400_000;

describe('Secrets Manager', () => {
  let emulator: Emulator;
  let client: SecretsManagerClient;
  let skew = 0;
  before(async () => {
    emulator = await startEmulator({ clock: () => Date.now() + skew });
    client = secretsClient(emulator);
  });
  after(async () => {
    client.destroy();
    await emulator.stop();
  });

  const create = (name: string, value = 'one') =>
    client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
  const put = (name: string, value: string, stages?: string[], token?: string) =>
    client.send(
      new PutSecretValueCommand({
        SecretId: name,
        SecretString: value,
        ...(stages ? { VersionStages: stages } : {}),
        ...(token ? { ClientRequestToken: token } : {}),
      }),
    );
  const read = (SecretId: string, more: { VersionId?: string; VersionStage?: string } = {}) =>
    client.send(new GetSecretValueCommand({ SecretId, ...more }));
  const stages = async (name: string) =>
    (await client.send(new DescribeSecretCommand({ SecretId: name }))).VersionIdsToStages ?? {};

  it('gives back what was created, with an ARN that has a random suffix', async () => {
    const created = await create('prod/db', 'pässwörd');
    assert.match(created.ARN!, /^arn:aws:secretsmanager:us-east-1:123456789012:secret:prod\/db-[A-Za-z0-9]{6}$/);
    const answer = await read('prod/db');
    assert.equal(answer.SecretString, 'pässwörd');
    assert.equal(answer.VersionId, created.VersionId);
    assert.deepEqual(answer.VersionStages, ['AWSCURRENT']);
    assert.ok(answer.CreatedDate instanceof Date);
    assert.ok(Math.abs(answer.CreatedDate.getTime() - Date.now()) < 60_000);
  });

  it('keeps binary values byte for byte', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await client.send(new CreateSecretCommand({ Name: 'binary', SecretBinary: bytes }));
    const answer = await read('binary');
    assert.deepEqual(Buffer.from(answer.SecretBinary!), Buffer.from(bytes));
    assert.equal(answer.SecretString, undefined);
  });

  it('finds a secret by name, by ARN and by ARN without the suffix', async () => {
    const { ARN } = await create('by-arn');
    assert.equal((await read(ARN!)).Name, 'by-arn');
    assert.equal((await read(ARN!.slice(0, -7))).Name, 'by-arn');
    await assert.rejects(read(`${ARN!.slice(0, -1)}#`), { name: 'ResourceNotFoundException' });
    await assert.rejects(read(ARN!.replace('us-east-1', 'eu-west-1')), { name: 'ResourceNotFoundException' });
  });

  it('says what AWS says about a missing secret', async () => {
    await assert.rejects(read('nowhere'), (error: ResourceNotFoundException) => {
      assert.ok(error instanceof ResourceNotFoundException);
      assert.equal(error.message, "Secrets Manager can't find the specified secret.");
      assert.equal(error.$metadata.httpStatusCode, 400);
      return true;
    });
  });

  it('keeps the secrets of two regions apart', async () => {
    await create('regional', 'east');
    const frankfurt = secretsClient(emulator, { region: 'eu-central-1' });
    await assert.rejects(frankfurt.send(new GetSecretValueCommand({ SecretId: 'regional' })), {
      name: 'ResourceNotFoundException',
    });
    emulator.putSecret('eu-central-1', 'regional', 'central');
    const answer = await frankfurt.send(new GetSecretValueCommand({ SecretId: 'regional' }));
    assert.equal(answer.SecretString, 'central');
    assert.match(answer.ARN!, /:eu-central-1:/);
    frankfurt.destroy();
  });

  it('works under an endpoint URL that has a path', async () => {
    await create('under-a-path');
    const prefixed = secretsClient(emulator, { endpoint: `${emulator.url}/base/path` });
    assert.equal((await prefixed.send(new GetSecretValueCommand({ SecretId: 'under-a-path' }))).SecretString, 'one');
    prefixed.destroy();
  });

  it('moves AWSCURRENT to a new version and AWSPREVIOUS to the one before', async () => {
    const first = (await create('rotated')).VersionId!;
    const second = (await put('rotated', 'two')).VersionId!;
    assert.deepEqual(await stages('rotated'), { [first]: ['AWSPREVIOUS'], [second]: ['AWSCURRENT'] });
    const third = (await put('rotated', 'three')).VersionId!;
    assert.deepEqual(await stages('rotated'), { [second]: ['AWSPREVIOUS'], [third]: ['AWSCURRENT'] });
    assert.equal((await read('rotated', { VersionStage: 'AWSPREVIOUS' })).SecretString, 'two');
    const unlabelled = await read('rotated', { VersionId: first });
    assert.equal(unlabelled.SecretString, 'one');
    assert.equal(unlabelled.VersionStages, undefined);
  });

  it('leaves AWSCURRENT alone for a pending version, until it is moved there', async () => {
    const first = (await create('pending')).VersionId!;
    const second = (await put('pending', 'two', ['AWSPENDING'])).VersionId!;
    assert.equal((await read('pending')).SecretString, 'one');
    assert.equal((await read('pending', { VersionStage: 'AWSPENDING' })).SecretString, 'two');
    const move = { SecretId: 'pending', VersionStage: 'AWSCURRENT', MoveToVersionId: second };
    await assert.rejects(client.send(new UpdateSecretVersionStageCommand(move)), {
      name: 'InvalidParameterException',
      message: `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${first}, so you must explicitly reference that version in RemoveFromVersionId.`,
    });
    await client.send(new UpdateSecretVersionStageCommand({ ...move, RemoveFromVersionId: first }));
    assert.deepEqual(await stages('pending'), { [first]: ['AWSPREVIOUS'], [second]: ['AWSPENDING', 'AWSCURRENT'] });
    const finish = { SecretId: 'pending', VersionStage: 'AWSPENDING', RemoveFromVersionId: second };
    await client.send(new UpdateSecretVersionStageCommand(finish));
    assert.deepEqual((await stages('pending'))[second], ['AWSCURRENT']);
  });

  it('rolls back: AWSCURRENT returns and AWSPREVIOUS changes places with it', async () => {
    const first = (await create('rolled-back')).VersionId!;
    const second = (await put('rolled-back', 'two')).VersionId!;
    await client.send(
      new UpdateSecretVersionStageCommand({
        SecretId: 'rolled-back',
        VersionStage: 'AWSCURRENT',
        RemoveFromVersionId: second,
        MoveToVersionId: first,
      }),
    );
    assert.deepEqual(await stages('rolled-back'), { [first]: ['AWSCURRENT'], [second]: ['AWSPREVIOUS'] });
  });

  it('never takes AWSCURRENT away altogether', async () => {
    const { VersionId } = await create('keeps-current');
    const remove = { SecretId: 'keeps-current', VersionStage: 'AWSCURRENT', RemoveFromVersionId: VersionId! };
    await assert.rejects(client.send(new UpdateSecretVersionStageCommand(remove)), /can't be completely removed/);
  });

  it('wants a version id and a stage to agree', async () => {
    const first = (await create('both')).VersionId!;
    await put('both', 'two');
    assert.equal((await read('both', { VersionId: first, VersionStage: 'AWSPREVIOUS' })).SecretString, 'one');
    await assert.rejects(read('both', { VersionId: first, VersionStage: 'AWSCURRENT' }), {
      name: 'InvalidRequestException',
      message: 'You provided a VersionStage that is not associated to the provided VersionId.',
    });
    await assert.rejects(read('both', { VersionStage: 'NONE' }), {
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret value for staging label: NONE",
    });
    const unknown = randomUUID();
    await assert.rejects(read('both', { VersionId: unknown }), {
      message: `Secrets Manager can't find the specified secret value for VersionId: ${unknown}`,
    });
  });

  it('has no value to give for a secret created without one', async () => {
    await client.send(new CreateSecretCommand({ Name: 'empty' }));
    await assert.rejects(read('empty'), {
      message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    });
  });

  it('takes a repeated client token as the same request, and not with another value', async () => {
    await create('idempotent');
    const token = randomUUID();
    await put('idempotent', 'two', undefined, token);
    await put('idempotent', 'three');
    assert.equal((await put('idempotent', 'two', undefined, token)).VersionId, token);
    assert.equal((await read('idempotent')).SecretString, 'three');
    await assert.rejects(put('idempotent', 'other', undefined, token), { name: 'ResourceExistsException' });
    const again = { Name: 'created-twice', SecretString: 'x', ClientRequestToken: token };
    const [a, b] = [
      await client.send(new CreateSecretCommand(again)),
      await client.send(new CreateSecretCommand(again)),
    ];
    assert.equal(a.ARN, b.ARN);
  });

  it('refuses a name in use, a name it cannot have, two kinds of value and none', async () => {
    await create('taken');
    await assert.rejects(create('taken'), {
      name: 'ResourceExistsException',
      message: 'The operation failed because the secret taken already exists.',
    });
    await assert.rejects(create('no spaces'), { name: 'ValidationException', message: /Invalid name/ });
    const both = { SecretId: 'taken', SecretString: 'a', SecretBinary: Buffer.from('b') };
    await assert.rejects(client.send(new PutSecretValueCommand(both)), { name: 'InvalidParameterException' });
    await assert.rejects(client.send(new PutSecretValueCommand({ SecretId: 'taken' })), {
      name: 'InvalidRequestException',
    });
  });

  it('takes values up to 65536 bytes', async () => {
    await create('large', 'x'.repeat(65_536));
    assert.equal((await read('large')).SecretString?.length, 65_536);
    await assert.rejects(put('large', 'x'.repeat(65_537)), { name: 'ValidationException' });
    await assert.rejects(put('large', 'ä'.repeat(32_769)), { name: 'ValidationException' });
    const binary = { SecretId: 'large', SecretBinary: Buffer.alloc(65_537) };
    await assert.rejects(client.send(new PutSecretValueCommand(binary)), { name: 'ValidationException' });
  });

  it('updates the description without a new version and the value with one', async () => {
    const first = await create('updated');
    const described = await client.send(new UpdateSecretCommand({ SecretId: 'updated', Description: 'for tests' }));
    assert.equal(described.VersionId, undefined);
    const second = await client.send(new UpdateSecretCommand({ SecretId: 'updated', SecretString: 'two' }));
    const answer = await client.send(new DescribeSecretCommand({ SecretId: 'updated' }));
    assert.equal(answer.Description, 'for tests');
    assert.deepEqual(answer.VersionIdsToStages, {
      [first.VersionId!]: ['AWSPREVIOUS'],
      [second.VersionId!]: ['AWSCURRENT'],
    });
  });

  it('holds a deleted secret back until it is restored', async () => {
    await create('deleted');
    const { DeletionDate } = await client.send(
      new DeleteSecretCommand({ SecretId: 'deleted', RecoveryWindowInDays: 7 }),
    );
    assert.ok(Math.abs(DeletionDate!.getTime() - Date.now() - 7 * DAY_MS) < 60_000);
    const marked = {
      name: 'InvalidRequestException',
      message: "You can't perform this operation on the secret because it was marked for deletion.",
    };
    await assert.rejects(read('deleted'), marked);
    await assert.rejects(put('deleted', 'two'), marked);
    await assert.rejects(create('deleted'), { name: 'InvalidRequestException', message: /already scheduled/ });
    assert.ok((await client.send(new DescribeSecretCommand({ SecretId: 'deleted' }))).DeletedDate);
    await client.send(new RestoreSecretCommand({ SecretId: 'deleted' }));
    assert.equal((await read('deleted')).SecretString, 'one');
  });

  it('forgets a deleted secret when its recovery window is over', async () => {
    await create('expiring');
    await client.send(new DeleteSecretCommand({ SecretId: 'expiring', RecoveryWindowInDays: 7 }));
    skew = 8 * DAY_MS;
    try {
      assert.equal(emulator.describeSecret('us-east-1', 'expiring'), null);
    } finally {
      skew = 0;
    }
  });

  it('deletes at once by force, and a new secret of that name has a new ARN', async () => {
    const { ARN } = await create('forced');
    await client.send(new DeleteSecretCommand({ SecretId: 'forced', ForceDeleteWithoutRecovery: true }));
    await assert.rejects(read('forced'), { name: 'ResourceNotFoundException' });
    assert.notEqual((await create('forced')).ARN, ARN);
    await client.send(new DeleteSecretCommand({ SecretId: 'was-never', ForceDeleteWithoutRecovery: true }));
    for (const more of [{ RecoveryWindowInDays: 6 }, { ForceDeleteWithoutRecovery: true, RecoveryWindowInDays: 7 }]) {
      await assert.rejects(client.send(new DeleteSecretCommand({ SecretId: 'forced', ...more })), {
        name: 'InvalidParameterException',
      });
    }
  });

  it('answers an unsigned request as AWS does', async () => {
    const response = await fetch(emulator.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: '{"SecretId":"x"}',
    });
    assert.equal(response.status, 400);
    const body = (await response.json()) as Record<string, unknown>;
    assert.deepEqual(body, {
      __type: 'MissingAuthenticationTokenException',
      message: 'Missing Authentication Token',
    });
    assert.equal(response.headers.get('content-type'), 'application/x-amz-json-1.1');
  });

  it('answers an operation that the emulator does not have with its name', async () => {
    await assert.rejects(client.send(new GetRandomPasswordCommand({})), {
      name: 'UnknownOperationException',
      message: /^The emulator does not have GetRandomPassword \(random passwords\); see "What it does not do"/,
    });
  });
});
