import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { ApiBench } from '../server/testing/api-bench.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

// What AWS's own programs make of this door is in test/interop; here is what goes over the wire.
describe("AWS Secrets Manager's door", () => {
  const folder = temporaryFolder();
  let emulator: Emulator;
  let bench: ApiBench;
  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 's', 'plain');
    emulator.putSecret('us-east-1', 'team/db', 'old');
    emulator.putSecret('us-east-1', 'team/db', { user: 'u' });
    emulator.putSecret('us-east-1', 'binary', Buffer.from([0, 255, 1]));
    emulator.putSecret('eu-west-1', 's', 'european');
    bench = await ApiBench.start({ folder, env: emulator.environment });
    bench.configure({ eu: { region: 'eu-west-1' }, envs: { name: 'env' } });
  });
  after(async () => {
    await bench.stop();
    await emulator.stop();
  });
  const post = (operation: string, fields: object | string, path = '/', headers: Record<string, string> = {}) =>
    bench.call(path, {
      method: 'POST',
      token: null,
      headers: {
        'x-amz-security-token': bench.token,
        'x-amz-target': `secretsmanager.${operation}`,
        'content-type': 'application/x-amz-json-1.1',
        ...headers,
      },
      body: typeof fields === 'string' ? fields : JSON.stringify(fields),
    });

  it('gives a value by name and by ARN, with a number as its date', async () => {
    const { status, headers, json } = await post('GetSecretValue', { SecretId: 's' });
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/x-amz-json-1.1');
    assert.match(headers['x-amzn-requestid'] as string, /^[0-9a-f-]{36}$/);
    assert.deepEqual(Object.keys(json), ['ARN', 'Name', 'VersionId', 'SecretString', 'VersionStages', 'CreatedDate']);
    assert.equal(typeof json.CreatedDate, 'number');
    assert.deepEqual((await post('GetSecretValue', { SecretId: json.ARN })).json, json);
    assert.deepEqual((await post('GetSecretValue', { SecretId: 's', VersionStage: 'AWSCURRENT' })).json, json);
    const both = { SecretId: 's', VersionId: json.VersionId, VersionStage: 'AWSCURRENT' };
    assert.deepEqual((await post('GetSecretValue', both)).json, json);
  });

  it('gives older versions, binary values, and those of another vault', async () => {
    const previous = await post('GetSecretValue', { SecretId: 'team/db', VersionStage: 'AWSPREVIOUS' });
    assert.equal(previous.json.SecretString, 'old');
    const byId = await post('GetSecretValue', { SecretId: 'team/db', VersionId: previous.json.VersionId });
    assert.equal(byId.json.SecretString, 'old');
    const binary = await post('GetSecretValue', { SecretId: 'binary' });
    assert.equal(binary.json.SecretBinary, 'AP8B');
    for (const path of ['/aws/eu', '/aws/eu/']) {
      assert.equal((await post('GetSecretValue', { SecretId: 's' }, path)).json.SecretString, 'european');
    }
  });

  it('gives the same body what it means now, under whatever configuration, byte for byte', async () => {
    emulator.putSecret('us-east-1', 'moves', 'größer – 💡');
    emulator.putSecret('eu-west-1', 'moves', 'away');
    const ask = () => post('GetSecretValue', { SecretId: 'moves' }, '/aws/mover');
    const values = [];
    const here = { region: 'us-east-1' };
    const there = { region: 'eu-west-1' };
    const movers: Array<Parameters<ApiBench['configure']>[0][string]> = [here, there, { name: 'env' }, here];
    for (const mover of movers) {
      bench.configure({ eu: there, envs: { name: 'env' }, mover });
      for (let time = 0; time < 2; time++) {
        const { status, json } = await ask();
        values.push(status === 200 ? json.SecretString : json.__type);
      }
    }
    bench.configure({ eu: { region: 'eu-west-1' }, envs: { name: 'env' } });
    values.push((await ask()).json.__type);
    assert.deepEqual(values, [
      ...['größer – 💡', 'größer – 💡', 'away', 'away', 'InvalidParameterException', 'InvalidParameterException'],
      ...['größer – 💡', 'größer – 💡', 'ResourceNotFoundException'],
    ]);
  });

  it('gives the same body to no other token', async () => {
    assert.equal((await post('GetSecretValue', { SecretId: 's' })).status, 200);
    const { status, json } = await post('GetSecretValue', { SecretId: 's' }, '/', {
      'x-amz-security-token': 'another',
    });
    assert.deepEqual([status, json.__type], [403, 'UnrecognizedClientException']);
  });

  it('gives many at once, each with its value or its error', async () => {
    const { json } = await post('BatchGetSecretValue', { SecretIdList: ['s', 'none', 'team/db'] });
    assert.deepEqual(
      json.SecretValues.map((value: { Name: string; SecretString: string }) => [value.Name, value.SecretString]),
      [
        ['s', 'plain'],
        ['team/db', '{"user":"u"}'],
      ],
    );
    assert.deepEqual(json.Errors, [
      {
        SecretId: 'none',
        ErrorCode: 'ResourceNotFoundException',
        Message: "Secrets Manager can't find the specified secret.",
      },
    ]);
  });

  it('describes a secret by its versions', async () => {
    const previous = await post('GetSecretValue', { SecretId: 'team/db', VersionStage: 'AWSPREVIOUS' });
    const current = await post('GetSecretValue', { SecretId: 'team/db' });
    const { json } = await post('DescribeSecret', { SecretId: 'team/db' });
    assert.deepEqual([json.ARN, json.Name], [current.json.ARN, 'team/db']);
    assert.deepEqual(json.VersionIdsToStages, {
      [current.json.VersionId]: ['AWSCURRENT'],
      [previous.json.VersionId]: ['AWSPREVIOUS'],
    });
    const missing = await post('DescribeSecret', { SecretId: 'none' });
    assert.deepEqual([missing.status, missing.json.__type], [400, 'ResourceNotFoundException']);
  });

  it('answers from memory while AWS is away', async () => {
    await post('GetSecretValue', { SecretId: 's' });
    const order = emulator.order({ behaviour: { kind: 'cut' } });
    const held = await post('GetSecretValue', { SecretId: 's' });
    const batch = await post('BatchGetSecretValue', { SecretIdList: ['s', 'never-had'] });
    const notHeld = await post('GetSecretValue', { SecretId: 'never-had-either' });
    order.remove();
    assert.equal(held.json.SecretString, 'plain');
    assert.deepEqual([batch.json.SecretValues.length, batch.json.Errors[0].ErrorCode], [1, 'InternalServiceError']);
    assert.deepEqual([notHeld.status, notHeld.json.__type], [503, 'InternalServiceError']);
    assert.ok(Number(notHeld.headers['retry-after']) >= 1);
  });

  for (const [what, operation, fields, path, headers, status, type] of [
    ['another operation', 'ListSecrets', {}, '/', {}, 400, 'UnsupportedOperation'],
    ['a write', 'PutSecretValue', { SecretId: 's', SecretString: 'x' }, '/', {}, 400, 'UnsupportedOperation'],
    ['another service', '', {}, '/', { 'x-amz-target': 'DynamoDB.GetItem' }, 400, 'UnsupportedOperation'],
    ['a batch by filters', 'BatchGetSecretValue', { Filters: [] }, '/', {}, 400, 'UnsupportedOperation'],
    [
      'a batch of too many',
      'BatchGetSecretValue',
      { SecretIdList: Array(21).fill('s') },
      '/',
      {},
      400,
      'InvalidParameterException',
    ],
    ['no SecretId', 'GetSecretValue', {}, '/', {}, 400, 'InvalidParameterException'],
    ['a SecretId that is no text', 'GetSecretValue', { SecretId: 7 }, '/', {}, 400, 'InvalidParameterException'],
    ['a SecretId that can be none', 'GetSecretValue', { SecretId: 'a\u0000' }, '/', {}, 400, 'ValidationException'],
    ['a missing secret', 'GetSecretValue', { SecretId: 'none' }, '/', {}, 400, 'ResourceNotFoundException'],
    [
      'a missing version',
      'GetSecretValue',
      { SecretId: 's', VersionStage: 'NOPE' },
      '/',
      {},
      400,
      'ResourceNotFoundException',
    ],
    ['an unknown vault', 'GetSecretValue', { SecretId: 's' }, '/aws/nope', {}, 400, 'ResourceNotFoundException'],
    ['a vault of another type', 'GetSecretValue', { SecretId: 's' }, '/aws/envs', {}, 400, 'InvalidParameterException'],
    [
      'a wrong token',
      'GetSecretValue',
      { SecretId: 's' },
      '/',
      { 'x-amz-security-token': 'no' },
      403,
      'UnrecognizedClientException',
    ],
    ['a body that is no JSON', 'GetSecretValue', '{', '/', {}, 400, 'InvalidParameterException'],
    ['a body that is no object', 'GetSecretValue', '[]', '/', {}, 400, 'InvalidParameterException'],
    [
      'a body that is too large',
      'GetSecretValue',
      { SecretId: 'x'.repeat(70_000) },
      '/',
      {},
      413,
      'RequestEntityTooLarge',
    ],
    [
      'a forwarded call',
      'GetSecretValue',
      { SecretId: 's' },
      '/',
      { 'x-forwarded-for': '1' },
      400,
      'InvalidParameterException',
    ],
  ] as const) {
    it(`refuses ${what} in AWS's own form`, async () => {
      const answer = await post(operation, fields, path, headers);
      assert.deepEqual([answer.status, answer.json?.__type], [status, type], answer.text);
      assert.equal(answer.headers['content-type'], 'application/x-amz-json-1.1');
      assert.equal(answer.headers['x-amzn-errortype'], type);
      assert.ok(answer.json.message.length > 0);
    });
  }

  it('takes nothing but a POST', async () => {
    const answer = await bench.call('/');
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'POST']);
  });

  it('does not take a session token at the other doors', async () => {
    const headers = { 'x-amz-security-token': bench.token };
    assert.equal((await bench.resolve('{vault://aws/s}', { token: null, headers })).status, 403);
  });
});
