import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import { ApiBench } from '../server/testing/api-bench.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';

interface Case {
  name: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  status: number;
  text?: string;
  json_members?: string[];
}
const { cases } = vectors<{ cases: Case[] }>('provider');
const ROLE = 'arn:aws:iam::123456789012:role/emulator-task';

describe("the AWS Workload Credentials Provider's door", () => {
  const folder = temporaryFolder();
  let emulator: Emulator;
  let bench: ApiBench;
  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 's', 'plain');
    emulator.putSecret('us-east-1', 'team/db', 'old');
    emulator.putSecret('us-east-1', 'team/db', 'new');
    emulator.putSecret('us-east-1', 'binary', Buffer.from([0, 255, 1]));
    emulator.putSecret('eu-west-1', 's', 'european');
    bench = await ApiBench.start({
      folder,
      env: emulator.environment,
      settings: { vault_aws_allowed_role_arns: [ROLE] },
    });
    bench.configure({ eu: { region: 'eu-west-1' }, envs: { name: 'env' } });
  });
  after(async () => {
    await bench.stop();
    await emulator.stop();
  });
  const get = (path: string) => bench.call(path);

  for (const vector of cases) {
    it(`answers as the vector says: ${vector.name}`, async () => {
      const headers = Object.fromEntries(
        Object.entries(vector.headers).map(([name, value]) => [name, value === 'TOKEN' ? bench.token : value]),
      );
      const answer = await bench.call(vector.path, { method: vector.method, headers, token: null });
      assert.equal(answer.status, vector.status, answer.text);
      if (vector.text !== undefined) assert.equal(answer.text, vector.text);
      if (vector.json_members) assert.deepEqual(Object.keys(answer.json), vector.json_members);
    });
  }

  it("gives the secret's facts, with whole seconds as a text", async () => {
    const { json } = await get('/secretsmanager/get?secretId=s');
    assert.match(json.ARN, /^arn:aws:secretsmanager:us-east-1:\d{12}:secret:s-\w{6}$/);
    assert.deepEqual([json.Name, json.SecretString, json.VersionStages], ['s', 'plain', ['AWSCURRENT']]);
    assert.match(json.CreatedDate, /^\d{10}$/);
    assert.match(json.VersionId, /^[\w-]{32,64}$/);
    const byArn = await get(`/secretsmanager/get?secretId=${encodeURIComponent(json.ARN)}`);
    assert.deepEqual(byArn.json, json);
  });

  it('reads a name with slashes, encoded or not, a stage, a version and a binary secret', async () => {
    const current = await get('/v1/team/db');
    assert.equal(current.json.SecretString, 'new');
    assert.equal((await get('/v1/team%2Fdb')).json.SecretString, 'new');
    const previous = await get('/secretsmanager/get?secretId=team/db&versionStage=AWSPREVIOUS');
    assert.equal(previous.json.SecretString, 'old');
    const byId = await get(`/v1/team/db?versionId=${previous.json.VersionId}`);
    assert.equal(byId.json.SecretString, 'old');
    const both = await get(`/v1/team/db?versionId=${previous.json.VersionId}&versionStage=AWSCURRENT`);
    assert.deepEqual([both.status, both.json.__type], [400, 'InvalidRequestException']);
    const binary = await get('/v1/binary');
    assert.deepEqual(Object.keys(binary.json), [
      'ARN',
      'Name',
      'VersionId',
      'SecretBinary',
      'VersionStages',
      'CreatedDate',
    ]);
    assert.equal(binary.json.SecretBinary, Buffer.from([0, 255, 1]).toString('base64'));
  });

  it('serves from memory, and refreshNow asks AWS', async () => {
    emulator.putSecret('us-east-1', 'rotating', 'one');
    assert.equal((await get('/v1/rotating')).json.SecretString, 'one');
    emulator.putSecret('us-east-1', 'rotating', 'two');
    assert.equal((await get('/v1/rotating?refreshNow=FALSE')).json.SecretString, 'one');
    assert.equal((await get('/v1/rotating?refreshNow=1')).json.SecretString, 'two');
    assert.equal((await get('/secretsmanager/get?secretId=rotating')).json.SecretString, 'two');
  });

  it('reads from the vault that is named, and tells one that is not there', async () => {
    assert.equal((await get('/v1/s?vault=eu')).json.SecretString, 'european');
    const unknown = await get('/v1/s?vault=nope');
    assert.deepEqual([unknown.status, unknown.text], [404, 'there is no vault nope']);
    for (const path of ['/v1/home?vault=envs', '/secretsmanager/get?secretId=home&vault=envs', '/v1/home?vault=env']) {
      const other = await get(path);
      assert.equal(other.status, 400);
      assert.match(other.text, /^vault envs? is of type env; this interface is for vaults of type aws$/);
    }
  });

  it('assumes a role that the vault allows, and no other', async () => {
    const role = encodeURIComponent(ROLE);
    assert.equal((await get(`/v1/s?roleArn=${role}`)).json.SecretString, 'plain');
    const readers = emulator.calls({ operation: 'GetSecretValue' }).map((call) => call.principalArn);
    assert.ok(readers.some((arn) => arn?.includes(':assumed-role/emulator-task/')));
    const other = encodeURIComponent('arn:aws:iam::123456789012:role/other');
    const refused = await get(`/v1/s?roleArn=${other}`);
    assert.deepEqual([refused.status, refused.json.__type], [400, 'AccessDeniedException']);
    const inEntity = await get(`/v1/s?vault=eu&roleArn=${role}`);
    assert.deepEqual([inEntity.status, inEntity.json.__type], [400, 'AccessDeniedException']);
  });

  it('says 503 and when to come back while AWS can not be reached', async () => {
    const order = emulator.order({
      match: { secret: 'down' },
      behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' },
    });
    const answer = await get('/v1/down');
    order.remove();
    assert.deepEqual([answer.status, answer.json.__type], [503, 'InternalServiceError']);
    assert.match(answer.headers['retry-after']!, /^[1-9]\d*$/);
  });

  it("passes on AWS's own names of errors", async () => {
    emulator.putSecret('us-east-1', 'doomed', 'x');
    emulator.deleteSecret('us-east-1', 'doomed');
    const answer = await get('/v1/doomed');
    assert.equal(answer.status, 400);
    assert.ok(['InvalidRequestException', 'ResourceNotFoundException'].includes(answer.json.__type), answer.text);
    const denied = emulator.order({
      match: { secret: 'shut' },
      behaviour: { kind: 'error', status: 400, code: 'AccessDeniedException' },
    });
    assert.equal((await get('/v1/shut')).json.__type, 'AccessDeniedException');
    denied.remove();
    const odd = await get('/secretsmanager/get?secretId=%01');
    assert.deepEqual([odd.status, odd.json.__type], [400, 'ValidationException']);
  });

  it('takes the token of AWS_TOKEN too, from a file where it names one', async () => {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${folder}/awssmatoken`, 'from-a-file\n');
    const other = await ApiBench.start({
      folder,
      env: emulator.environment,
      awsToken: `file:///${folder}/awssmatoken`,
    });
    try {
      const headers = { 'X-Aws-Parameters-Secrets-Token': 'from-a-file' };
      assert.equal((await other.call('/v1/s', { token: null, headers })).status, 200);
    } finally {
      await other.stop();
    }
  });
});
