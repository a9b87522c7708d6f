import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BatchGetSecretValueCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  InvalidParameterException,
  ListSecretsCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { runCommand } from './command.ts';
import { Stand } from './stand.ts';

const READER = fileURLToPath(new URL('programs/sdk-reader.ts', import.meta.url));

describe("@aws-sdk/client-secrets-manager at a data plane's door", () => {
  let stand: Stand;
  let client: SecretsManagerClient;
  before(async () => {
    stand = await Stand.start();
    client = clientOf(stand.dataPlane.token);
  });
  after(async () => {
    client.destroy();
    await stand.stop();
  });
  const clientOf = (sessionToken: string, path = '') =>
    new SecretsManagerClient({
      endpoint: stand.dataPlane.apiUrl + path,
      region: 'us-east-1',
      credentials: { accessKeyId: 'any', secretAccessKey: 'any', sessionToken },
      maxAttempts: 1,
    });
  const read = async (ids: string[], env = stand.awsEnv()) => {
    const { stdout, stderr } = await runCommand(process.execPath, [READER, ...ids], env);
    assert.equal(stderr, '');
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };

  it('a program reads with nothing but its environment changed', async () => {
    assert.deepEqual(await read(['app/db', 'plain', 'none']), [
      ['app/db', '{"user":"app","password":"two"}'],
      ['plain', 'a plain text'],
      ['none', 'ResourceNotFoundException'],
    ]);
    assert.deepEqual(await read(['plain'], stand.awsEnv('eu')), [['plain', 'ein Text']]);
  });

  it('reads names, ARNs, stages, versions, bytes and dates', async () => {
    const current = await client.send(new GetSecretValueCommand({ SecretId: 'app/db' }));
    assert.ok(current.CreatedDate instanceof Date);
    assert.ok(Math.abs(current.CreatedDate.getTime() - Date.now()) < 3_600_000);
    const byArn = await client.send(new GetSecretValueCommand({ SecretId: current.ARN }));
    assert.equal(byArn.SecretString, current.SecretString);
    const previous = await client.send(new GetSecretValueCommand({ SecretId: 'app/db', VersionStage: 'AWSPREVIOUS' }));
    assert.equal(previous.SecretString, '{"user":"first","password":"one"}');
    const byId = await client.send(new GetSecretValueCommand({ SecretId: 'app/db', VersionId: previous.VersionId }));
    assert.equal(byId.SecretString, previous.SecretString);
    const binary = await client.send(new GetSecretValueCommand({ SecretId: 'binary' }));
    assert.deepEqual([...binary.SecretBinary!], [0, 255, 1]);
  });

  it('reads many and describes one', async () => {
    const batch = await client.send(new BatchGetSecretValueCommand({ SecretIdList: ['plain', 'none', 'app/db'] }));
    assert.deepEqual(
      batch.SecretValues?.map(({ Name }) => Name),
      ['plain', 'app/db'],
    );
    assert.deepEqual(
      batch.Errors?.map(({ SecretId, ErrorCode }) => [SecretId, ErrorCode]),
      [['none', 'ResourceNotFoundException']],
    );
    const described = await client.send(new DescribeSecretCommand({ SecretId: 'app/db' }));
    assert.deepEqual(Object.values(described.VersionIdsToStages!).flat().sort(), ['AWSCURRENT', 'AWSPREVIOUS']);
  });

  it('raises its own exceptions', async () => {
    await assert.rejects(client.send(new GetSecretValueCommand({ SecretId: 'none' })), ResourceNotFoundException);
    await assert.rejects(
      client.send(new BatchGetSecretValueCommand({ SecretIdList: Array(21).fill('plain') })),
      InvalidParameterException,
    );
    await assert.rejects(client.send(new ListSecretsCommand({})), { name: 'UnsupportedOperation' });
    const stranger = clientOf('wrong');
    await assert.rejects(stranger.send(new GetSecretValueCommand({ SecretId: 'plain' })), {
      name: 'UnrecognizedClientException',
    });
    stranger.destroy();
  });

  it('survives an outage of AWS: what was read goes on being read, by running programs and by new ones', async () => {
    await client.send(new GetSecretValueCommand({ SecretId: 'app/db' }));
    await stand.endAws();
    for (let round = 0; round < 20; round++) {
      const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: 'app/db' }));
      assert.equal(SecretString, '{"user":"app","password":"two"}');
    }
    assert.deepEqual(await read(['app/db', 'never-read']), [
      ['app/db', '{"user":"app","password":"two"}'],
      ['never-read', 'InternalServiceError'],
    ]);
  });
});
