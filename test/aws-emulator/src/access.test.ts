import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  BatchGetSecretValueCommand,
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
} from '@aws-sdk/client-secrets-manager';
import { type Emulator, startEmulator } from './emulator.ts';
import type { Statement } from './policy.ts';
import { secretsClient } from './sdk-clients.ts';

const KEYS = { accessKeyId: 'AKIASOMEBODY00000000', secretAccessKey: 'somebody' };

describe('permissions', () => {
  let emulator: Emulator;
  let arn: string;
  before(async () => {
    emulator = await startEmulator();
    arn = emulator.putSecret('us-east-1', 'prod/db', 'v').arn;
    for (const region of ['us-east-1', 'eu-west-1']) emulator.putSecret(region, 'prod/api', region);
    emulator.putSecret('us-east-1', 'test/db', 'v');
  });
  after(() => emulator.stop());

  const as = (policy: Statement[] | object, region = 'us-east-1') => {
    emulator.addPrincipal({ name: 'somebody', ...KEYS, policy: policy as Statement[] });
    return secretsClient(emulator, { credentials: KEYS, region });
  };
  const get = (SecretId: string) => new GetSecretValueCommand({ SecretId });
  const allow = (actions: string[], more: Partial<Statement> = {}): Statement => ({
    effect: 'allow',
    actions,
    ...more,
  });
  const denied = { name: 'AccessDeniedException' };

  it('go by action', async () => {
    const client = as([allow(['secretsmanager:List*'])]);
    assert.ok(await client.send(new ListSecretsCommand({})));
    await assert.rejects(client.send(get('prod/db')), denied);
  });

  it('go by secret name, and by ARN as IAM policies name secrets', async () => {
    const byName = as([allow(['secretsmanager:GetSecretValue'], { resources: ['prod/*'] })]);
    assert.ok(await byName.send(get('prod/db')));
    assert.ok(await byName.send(get(arn)));
    await assert.rejects(byName.send(get('test/db')), denied);
    const resources = ['arn:aws:secretsmanager:*:123456789012:secret:prod/db-??????'];
    const byArn = as([allow(['secretsmanager:GetSecretValue'], { resources })]);
    assert.ok(await byArn.send(get('prod/db')));
    await assert.rejects(byArn.send(get('prod/api')), denied);
  });

  it('go by region', async () => {
    const policy = [allow(['secretsmanager:*'], { regions: ['eu-*'] })];
    assert.equal((await as(policy, 'eu-west-1').send(get('prod/api'))).SecretString, 'eu-west-1');
    await assert.rejects(as(policy, 'us-east-1').send(get('prod/api')), denied);
  });

  it('are lost to an explicit deny', async () => {
    const client = as([
      allow(['*']),
      { effect: 'deny', actions: ['secretsmanager:GetSecretValue'], resources: ['prod/db'] },
    ]);
    assert.ok(await client.send(get('prod/api')));
    await assert.rejects(client.send(get('prod/db')), {
      message: /with an explicit deny in an identity-based policy$/,
    });
  });

  it('come before existence: a name that may not be read does not tell whether it is there', async () => {
    const client = as([allow(['secretsmanager:GetSecretValue'], { resources: ['prod/*'] })]);
    await assert.rejects(client.send(get('test/none')), denied);
    await assert.rejects(client.send(get('prod/none')), { name: 'ResourceNotFoundException' });
    await assert.rejects(client.send(new CreateSecretCommand({ Name: 'prod/db' })), denied);
  });

  it('of a batch are its own and those of each secret', async () => {
    const batch = new BatchGetSecretValueCommand({ SecretIdList: ['prod/db', 'test/db'] });
    const reads = allow(['secretsmanager:GetSecretValue'], { resources: ['prod/*'] });
    await assert.rejects(as([reads]).send(batch), { message: /secretsmanager:BatchGetSecretValue on resource: \*/ });
    const answer = await as([reads, allow(['secretsmanager:BatchGetSecretValue'])]).send(batch);
    assert.deepEqual(
      answer.SecretValues?.map((value) => value.Name),
      ['prod/db'],
    );
    assert.deepEqual(
      answer.Errors?.map((error) => [error.SecretId, error.ErrorCode]),
      [['test/db', 'AccessDeniedException']],
    );
  });

  it('may be written as an IAM policy document', async () => {
    const client = as({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: 'secretsmanager:GetSecretValue',
        Resource: '*',
        Condition: { StringEquals: { 'aws:RequestedRegion': 'us-east-1' } },
      },
    });
    assert.ok(await client.send(get('prod/db')));
    assert.throws(() => as([{ effect: 'allow', action: ['*'] }]), { name: 'SpecError', message: /action/ });
    assert.throws(() => as([allow(['GetSecretValue'])]), { name: 'SpecError' });
    assert.throws(() => as({ Statement: { Effect: 'Allow', NotAction: '*', Resource: '*' } }), { name: 'SpecError' });
  });

  it('on another account end where the secret is not shared', async () => {
    const account = '210987654321';
    const own = emulator.putSecret('us-east-1', 'theirs', 'x', { account });
    const shared = emulator.putSecret('us-east-1', 'shared', 'y', {
      account,
      sharedWith: ['123456789012'],
      kmsKeyId: 'shared',
    });
    const client = secretsClient(emulator);
    assert.equal((await client.send(get(shared.arn))).SecretString, 'y');
    await assert.rejects(client.send(get(own.arn)), { message: /no resource-based policy allows/ });
    await assert.rejects(client.send(get('theirs')), { name: 'ResourceNotFoundException' });
  });

  it('end with the principal', async () => {
    const client = as([allow(['*'])]);
    assert.ok(await client.send(get('prod/db')));
    assert.equal(emulator.removePrincipal('somebody'), true);
    await assert.rejects(client.send(get('prod/db')), { name: 'UnrecognizedClientException' });
  });
});
