import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { fromHttp, fromInstanceMetadata } from '@aws-sdk/credential-providers';
import { type Emulator, type EmulatorOptions, startEmulator } from './emulator.ts';
import { stsClient } from './sdk-clients.ts';

const CREDENTIALS = '/latest/meta-data/iam/security-credentials/';
const TTL = 'x-aws-ec2-metadata-token-ttl-seconds';
const TOKEN = 'x-aws-ec2-metadata-token';

let emulator: Emulator;
let skew = 0;
async function start(options: EmulatorOptions = {}) {
  emulator = await startEmulator({ clock: () => Date.now() + skew, ...options });
}
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(emulator.imdsUrl + path, { method, headers });
const token = async (seconds = '60') => (await get('/latest/api/token', { [TTL]: seconds }, 'PUT')).text();
beforeEach(() => {
  skew = 0;
});
afterEach(() => emulator.stop());

describe('the instance metadata service', () => {
  const sdk = (more: { ec2MetadataV1Disabled?: boolean } = {}) => {
    process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = emulator.imdsUrl;
    return fromInstanceMetadata({ timeout: 10_000, maxRetries: 0, ...more })().finally(() => {
      delete process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT;
    });
  };

  for (const imds of ['v1', 'v2', 'v2-only'] as const) {
    it(`gives the SDK credentials of the instance role in mode ${imds}`, async () => {
      await start({ imds });
      const credentials = await sdk();
      const identity = await stsClient(emulator, { credentials }).send(new GetCallerIdentityCommand({}));
      assert.match(identity.Arn!, /^arn:aws:sts::123456789012:assumed-role\/emulator-instance\/i-0e/);
      const token = emulator.calls({ operation: 'PutToken' })[0];
      assert.equal(token?.status, imds === 'v1' ? 404 : 200);
      const [call] = emulator.calls({ service: 'imds', operation: 'GetRoleCredentials' });
      assert.equal(call?.roleArn, 'arn:aws:iam::123456789012:role/emulator-instance');
    });
  }

  it('answers without a token in modes v1 and v2 and not in v2-only', async () => {
    await start({ imds: 'v1' });
    assert.equal(await (await get(CREDENTIALS)).text(), 'emulator-instance');
    emulator.setMachine({ imds: 'v2' });
    assert.equal((await get(CREDENTIALS)).status, 200);
    assert.equal((await get(CREDENTIALS, { [TOKEN]: 'wrong' })).status, 401);
    emulator.setMachine({ imds: 'v2-only' });
    assert.equal((await get(CREDENTIALS)).status, 401);
    assert.equal((await get(CREDENTIALS, { [TOKEN]: await token() })).status, 200);
  });

  it('gives tokens a life and nobody else one', async () => {
    await start({ imds: 'v2-only' });
    const short = await token('60');
    skew = 61_000;
    assert.equal((await get(CREDENTIALS, { [TOKEN]: short })).status, 401);
    const put = (headers: Record<string, string>) => get('/latest/api/token', headers, 'PUT');
    assert.equal((await put({})).status, 400);
    assert.equal((await put({ [TTL]: '21601' })).status, 400);
    assert.equal((await put({ [TTL]: '60', 'x-forwarded-for': '10.0.0.1' })).status, 403);
    assert.equal((await put({ [TTL]: '60' })).headers.get(TTL), '60');
  });

  it('repeats credentials until shortly before they expire', async () => {
    await start({ sessionSeconds: 3600 });
    const key = async () => (await sdk()).accessKeyId;
    const first = await key();
    assert.equal(await key(), first);
    skew = 3_400_000;
    assert.notEqual(await key(), first);
  });

  it('knows its region and instance, and may have no instance profile', async () => {
    await start({ region: 'eu-north-1', instanceRole: null });
    assert.equal(await (await get('/latest/meta-data/placement/region')).text(), 'eu-north-1');
    assert.equal(await (await get('/latest/meta-data/placement/availability-zone')).text(), 'eu-north-1a');
    const document = (await (await get('/latest/dynamic/instance-identity/document')).json()) as { region: string };
    assert.equal(document.region, 'eu-north-1');
    assert.equal((await get(CREDENTIALS)).status, 404);
    await assert.rejects(sdk(), { name: 'ProviderError' });
  });

  it('refuses everything when it is off', async () => {
    await start({ imds: 'off' });
    assert.equal((await get('/latest/api/token', { [TTL]: '60' }, 'PUT')).status, 403);
    assert.equal((await get(CREDENTIALS)).status, 403);
  });

  it('takes orders', async () => {
    await start();
    emulator.order({ match: { service: 'imds', operation: 'GetRoleCredentials' }, behaviour: { kind: 'throttle' } });
    assert.equal((await get(`${CREDENTIALS}emulator-instance`)).status, 429);
    assert.equal((await get(CREDENTIALS)).status, 200);
  });
});

describe('the container credentials endpoint', () => {
  const sdk = (url = emulator.containerCredentialsUrl, authorizationToken = emulator.containerToken ?? undefined) =>
    fromHttp({
      awsContainerCredentialsFullUri: url,
      ...(authorizationToken === undefined ? {} : { awsContainerAuthorizationToken: authorizationToken }),
      timeout: 10_000,
      maxRetries: 0,
    })();

  it('gives the SDK credentials of the task role for the right Authorization', async () => {
    await start();
    const credentials = await sdk();
    const identity = await stsClient(emulator, { credentials }).send(new GetCallerIdentityCommand({}));
    assert.equal(identity.Arn, 'arn:aws:sts::123456789012:assumed-role/emulator-task/emulator-task');
    await assert.rejects(sdk(emulator.containerCredentialsUrl, 'wrong'), { name: 'CredentialsProviderError' });
    assert.deepEqual(
      emulator.calls({ service: 'ecs' }).map((call) => [call.operation, call.status]),
      [
        ['GetCredentials', 200],
        ['GetCredentials', 401],
      ],
    );
  });

  it('serves EKS pod identity under /v1/credentials', async () => {
    await start();
    const credentials = await sdk(`${emulator.imdsUrl}/v1/credentials`);
    assert.match(credentials.accessKeyId, /^ASIA/);
  });

  it('gives a task the role that its URL names, and no unknown one', async () => {
    await start({ containerToken: null, roles: [{ name: 'billing', policy: [{ effect: 'allow', actions: ['*'] }] }] });
    const answer = await get('/v2/credentials/billing');
    const { RoleArn } = (await answer.json()) as { RoleArn: string };
    assert.equal(RoleArn, 'arn:aws:iam::123456789012:role/billing');
    assert.equal((await get('/v2/credentials/nobody')).status, 404);
    emulator.setMachine({ taskRole: null });
    assert.equal((await get('/v1/credentials')).status, 404);
  });

  it('hands out new credentials once the old ones are revoked', async () => {
    await start();
    const first = await sdk();
    emulator.revokeCredentials(first.accessKeyId);
    assert.notEqual((await sdk()).accessKeyId, first.accessKeyId);
  });
});
