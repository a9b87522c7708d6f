import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  BatchGetSecretValueCommand,
  type BatchGetSecretValueCommandInput,
  DeleteSecretCommand,
  type Filter,
  ListSecretsCommand,
  type ListSecretsCommandInput,
  paginateBatchGetSecretValue,
  paginateListSecrets,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { type Emulator, startEmulator } from './emulator.ts';
import { secretsClient } from './sdk-clients.ts';

describe('lists and batches of secrets', () => {
  let emulator: Emulator;
  let client: SecretsManagerClient;
  let tick = 0;
  before(async () => {
    const start = Date.now();
    // Every look at the clock is a millisecond later, so that secrets have an order.
    emulator = await startEmulator({ clock: () => start + tick++ });
    client = secretsClient(emulator);
    const put = emulator.putSecret.bind(emulator);
    put('us-east-1', 'prod/db', 'p', { description: 'Production database', tags: { stage: 'prod', team: 'core' } });
    put('us-east-1', 'prod/api', 'a', { tags: { stage: 'prod' } });
    put('us-east-1', 'test/db', 't', { description: 'Test database', tags: { stage: 'test' } });
    put('us-east-1', 'Zeta', 'z');
    put('eu-west-1', 'elsewhere', 'e');
    for (let i = 0; i < 45; i++) put('ap-south-1', `many-${String(i).padStart(2, '0')}`, `value ${i}`);
  });
  after(async () => {
    client.destroy();
    await emulator.stop();
  });

  const names = async (input: ListSecretsCommandInput = {}) =>
    ((await client.send(new ListSecretsCommand(input))).SecretList ?? []).map((entry) => entry.Name);
  const batch = (input: BatchGetSecretValueCommandInput) => client.send(new BatchGetSecretValueCommand(input));

  it('list the secrets of the region, with tags and labels and without values', async () => {
    const { SecretList } = await client.send(new ListSecretsCommand({}));
    const entry = SecretList?.find((secret) => secret.Name === 'prod/db');
    assert.deepEqual(entry?.Tags, [
      { Key: 'stage', Value: 'prod' },
      { Key: 'team', Value: 'core' },
    ]);
    assert.deepEqual(Object.values(entry?.SecretVersionsToStages ?? {}), [['AWSCURRENT']]);
    assert.deepEqual(await names(), ['prod/db', 'prod/api', 'test/db', 'Zeta']);
    assert.deepEqual(await names({ SortOrder: 'desc' }), ['Zeta', 'test/db', 'prod/api', 'prod/db']);
    assert.deepEqual(await names({ SortBy: 'name' }), ['Zeta', 'prod/api', 'prod/db', 'test/db']);
  });

  const cases: [title: string, filters: Filter[], expected: string[]][] = [
    ['name, by prefix and case', [{ Key: 'name', Values: ['prod/'] }], ['prod/db', 'prod/api']],
    ['name in another case', [{ Key: 'name', Values: ['zeta'] }], []],
    ['any of several names', [{ Key: 'name', Values: ['prod/db', 'Z'] }], ['prod/db', 'Zeta']],
    ['not a name', [{ Key: 'name', Values: ['!prod/'] }], ['test/db', 'Zeta']],
    ['tag key', [{ Key: 'tag-key', Values: ['team'] }], ['prod/db']],
    ['tag value', [{ Key: 'tag-value', Values: ['prod'] }], ['prod/db', 'prod/api']],
    ['description, in any case', [{ Key: 'description', Values: ['test data'] }], ['test/db']],
    ['words anywhere', [{ Key: 'all', Values: ['DATABASE'] }], ['prod/db', 'test/db']],
    ['another region', [{ Key: 'primary-region', Values: ['eu-'] }], []],
    [
      'two filters at once',
      [
        { Key: 'tag-value', Values: ['prod'] },
        { Key: 'name', Values: ['prod/a'] },
      ],
      ['prod/api'],
    ],
  ];
  for (const [title, filters, expected] of cases) {
    it(`are filtered by ${title}`, async () => assert.deepEqual(await names({ Filters: filters }), expected));
  }

  it('come in pages, each secret once', async () => {
    const far = secretsClient(emulator, { region: 'ap-south-1' });
    const sizes: number[] = [];
    const all = new Set<string>();
    for await (const page of paginateListSecrets({ client: far, pageSize: 20 }, {})) {
      sizes.push(page.SecretList!.length);
      for (const entry of page.SecretList!) all.add(entry.Name!);
    }
    assert.deepEqual([sizes, all.size], [[20, 20, 5], 45]);
    await assert.rejects(far.send(new ListSecretsCommand({ NextToken: 'bm8' })), { name: 'InvalidNextTokenException' });
    far.destroy();
  });

  it('leave deleted secrets out unless asked for them', async () => {
    const { name } = emulator.putSecret('us-west-2', 'going', 'x');
    const west = secretsClient(emulator, { region: 'us-west-2' });
    await west.send(new DeleteSecretCommand({ SecretId: name }));
    assert.deepEqual((await west.send(new ListSecretsCommand({}))).SecretList, []);
    const { SecretList } = await west.send(new ListSecretsCommand({ IncludePlannedDeletion: true }));
    assert.ok(SecretList?.[0]?.DeletedDate);
    west.destroy();
  });

  it('give many values at once and report the missing ones beside them', async () => {
    const { SecretValues, Errors } = await batch({ SecretIdList: ['prod/db', 'gone', 'Zeta'] });
    assert.deepEqual(
      SecretValues?.map((value) => [value.Name, value.SecretString]),
      [
        ['prod/db', 'p'],
        ['Zeta', 'z'],
      ],
    );
    const missing = {
      SecretId: 'gone',
      ErrorCode: 'ResourceNotFoundException',
      Message: "Secrets Manager can't find the specified secret.",
    };
    assert.deepEqual(Errors, [missing]);
  });

  it('give values of more than a megabyte in pages, each secret once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `large-${index}`);
    for (const id of ids) emulator.putSecret('sa-east-1', id, 'x'.repeat(65_536));
    const brazil = secretsClient(emulator, { region: 'sa-east-1' });
    const pages = paginateBatchGetSecretValue({ client: brazil }, { SecretIdList: ids });
    const found = [];
    for await (const { SecretValues } of pages) found.push(SecretValues!.map(({ Name }) => Name));
    assert.deepEqual(found, [ids.slice(0, 16), ids.slice(16)]);
    await assert.rejects(batch({ SecretIdList: ids, NextToken: 'OTk' }), { name: 'InvalidNextTokenException' });
    brazil.destroy();
  });

  it('give values by filter, twenty at a time', async () => {
    const far = secretsClient(emulator, { region: 'ap-south-1' });
    const first = await far.send(new BatchGetSecretValueCommand({ Filters: [{ Key: 'name', Values: ['many'] }] }));
    assert.equal(first.SecretValues?.length, 20);
    const Filters = [{ Key: 'name' as const, Values: ['many'] }];
    const second = await far.send(
      new BatchGetSecretValueCommand({ Filters, MaxResults: 3, NextToken: first.NextToken! }),
    );
    assert.deepEqual(
      second.SecretValues?.map((value) => value.SecretString),
      ['value 20', 'value 21', 'value 22'],
    );
    far.destroy();
  });

  it('are refused in forms that AWS refuses', async () => {
    const invalid = { name: 'InvalidParameterException' };
    await assert.rejects(batch({}), invalid);
    await assert.rejects(batch({ SecretIdList: ['a'], Filters: [{ Key: 'name', Values: ['a'] }] }), invalid);
    await assert.rejects(batch({ SecretIdList: ['a'], MaxResults: 2 }), invalid);
    const tooMany = Array.from({ length: 21 }, (_, i) => `s${i}`);
    await assert.rejects(batch({ SecretIdList: tooMany }), { name: 'ValidationException' });
  });
});
