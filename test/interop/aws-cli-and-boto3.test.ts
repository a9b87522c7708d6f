import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.ts';
import { pythonTools } from './python.ts';
import { Stand } from './stand.ts';

const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url));
const python = await pythonTools();

describe("AWS's own Python programs at a data plane's door", { skip: python.missing ?? false }, () => {
  let stand: Stand;
  before(async () => {
    stand = await Stand.start();
  });
  after(() => stand.stop());

  const aws = async (args: string[], env = stand.awsEnv()) => {
    const { status, stdout, stderr } = await runCommand(
      `${python.bin}/aws`,
      ['secretsmanager', ...args, '--output', 'json'],
      env,
    );
    return { status, stderr, json: stdout === '' ? null : JSON.parse(stdout) };
  };
  const program = async (name: string, args: string[] = [], env = stand.awsEnv()) => {
    const { status, stdout, stderr } = await runCommand(`${python.bin}/python`, [PROGRAMS + name, ...args], env);
    assert.equal(status, 0, stderr);
    return stdout.trim().split('\n');
  };

  it('the AWS CLI reads a value by name, by ARN, by stage and by version, and from another vault', async () => {
    const { json, stderr } = await aws(['get-secret-value', '--secret-id', 'app/db']);
    assert.equal(json?.SecretString, '{"user":"app","password":"two"}', stderr);
    const byArn = await aws(['get-secret-value', '--secret-id', json.ARN]);
    assert.deepEqual(byArn.json, json);
    const previous = await aws(['get-secret-value', '--secret-id', 'app/db', '--version-stage', 'AWSPREVIOUS']);
    assert.equal(previous.json.SecretString, '{"user":"first","password":"one"}');
    const { VersionId } = previous.json;
    const byId = await aws(['get-secret-value', '--secret-id', 'app/db', '--version-id', VersionId]);
    assert.equal(byId.json.SecretString, previous.json.SecretString);
    const binary = await aws(['get-secret-value', '--secret-id', 'binary']);
    assert.equal(binary.json.SecretBinary, 'AP8B');
    const eu = await aws(['get-secret-value', '--secret-id', 'plain'], stand.awsEnv('eu'));
    assert.equal(eu.json.SecretString, 'ein Text');
  });

  it('the AWS CLI reads many and describes one', async () => {
    const batch = await aws(['batch-get-secret-value', '--secret-id-list', 'plain', 'none']);
    assert.deepEqual(
      [batch.json.SecretValues[0].SecretString, batch.json.Errors[0].ErrorCode],
      ['a plain text', 'ResourceNotFoundException'],
    );
    const described = await aws(['describe-secret', '--secret-id', 'app/db']);
    assert.deepEqual(Object.values(described.json.VersionIdsToStages).flat().sort(), ['AWSCURRENT', 'AWSPREVIOUS']);
  });

  it('the AWS CLI tells errors as AWS means them', async () => {
    for (const [args, told, env] of [
      [['get-secret-value', '--secret-id', 'none'], /\(ResourceNotFoundException\).*GetSecretValue/, stand.awsEnv()],
      [['list-secrets'], /\(UnsupportedOperation\).*ListSecrets/, stand.awsEnv()],
      [
        ['get-secret-value', '--secret-id', 'plain'],
        /\(UnrecognizedClientException\)/,
        { ...stand.awsEnv(), AWS_SESSION_TOKEN: 'no' },
      ],
    ] as const) {
      const { status, stderr } = await aws([...args], env);
      assert.notEqual(status, 0);
      assert.match(stderr, told);
    }
  });

  it('boto3 reads, and raises its own exceptions', async () => {
    assert.deepEqual(await program('boto3_reader.py'), [
      'value {"user":"app","password":"two"}',
      'binary 00ff01',
      'created datetime',
      'batch a plain text ResourceNotFoundException',
      'described app/db',
      'missing ResourceNotFoundException',
      'unsupported UnsupportedOperation',
      'invalid InvalidParameterException',
    ]);
  });

  it("AWS's caching library for Python works on it", async () => {
    assert.deepEqual(await program('caching_reader.py'), ['a plain text', 'a plain text']);
  });

  it("a program for AWS's provider reads with its token file", async () => {
    assert.deepEqual(await program('provider_reader.py', [stand.dataPlane.apiUrl, stand.tokenFile, 'app/db']), [
      '200 {"user":"app","password":"two"}',
    ]);
  });

  it('they go on reading what they read before when AWS is gone, and call the rest an error of the service', async () => {
    await stand.endAws();
    const held = await aws(['get-secret-value', '--secret-id', 'app/db']);
    assert.equal(held.json.SecretString, '{"user":"app","password":"two"}');
    assert.deepEqual(await program('caching_reader.py'), ['a plain text', 'a plain text']);
    const other = await aws(['get-secret-value', '--secret-id', 'never-read']);
    assert.match(other.stderr, /\(InternalServiceError\)/);
  });
});
