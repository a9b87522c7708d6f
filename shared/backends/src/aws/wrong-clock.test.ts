import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { BARE_ENV, openAws } from '../testing/open-aws.ts';
import { S3Objects } from './s3-objects.ts';

const HOUR_MS = 3_600_000;
const ROLE = 'arn:aws:iam::123456789012:role/reader';
const everything = [{ effect: 'allow' as const, actions: ['*'] }];

describe("a machine whose clock is not AWS's", () => {
  let emulator: Emulator;
  /** How far AWS's clock is ahead of this machine's. */
  let offsetMs = 0;
  before(async () => {
    emulator = await startEmulator({
      clock: () => Date.now() + offsetMs,
      roles: [{ arn: ROLE, trust: { principals: ['*'] }, policy: everything }],
    });
    emulator.putSecret('us-east-1', 'db', 'one');
    process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = emulator.imdsUrl;
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.resetCalls();
  });
  after(() => emulator.stop());

  for (const hours of [-2, 2]) {
    const how = hours < 0 ? 'ahead' : 'behind';
    it(`reads under a role, whose Expiration AWS's clock says, ${how}`, async () => {
      offsetMs = hours * HOUR_MS;
      await using aws = await openAws(emulator, { assume_role_arn: ROLE });
      for (let time = 0; time < 3; time++) assert.equal(await aws.read('db'), 'one');
      const { AssumeRole: roles } = emulator.counts();
      // The first is signed for the wrong time.
      assert.ok(roles! <= 2, `${roles} calls of AssumeRole`);
    });

    it(`reads with the credentials of the instance, ${how}`, async () => {
      offsetMs = hours * HOUR_MS;
      const env = {
        ...BARE_ENV,
        AWS_ENDPOINT_URL: emulator.url,
        AWS_REGION: 'us-east-1',
        AWS_EC2_METADATA_DISABLED: undefined,
      };
      await using aws = await openAws(
        null,
        {},
        { env: { ...env, AWS_EC2_METADATA_SERVICE_ENDPOINT: emulator.imdsUrl } },
      );
      for (let time = 0; time < 3; time++) assert.equal(await aws.read('db'), 'one');
    });
  }

  it('makes one call a lookup once AWS has told the time, in a region that it never asked too', async () => {
    offsetMs = -2 * HOUR_MS;
    await using aws = await openAws(emulator);
    await aws.read('db');
    emulator.putSecret('eu-west-1', 'db', 'in ireland');
    emulator.resetCalls();
    const config = { region: 'eu-west-1', ttl: 0, neg_ttl: 0, resurrect_ttl: 0 };
    const ireland = await aws.backends.open('aws', config, { origin: 'own' });
    await ireland.fetch({ path: 'db', version: { stage: 'AWSCURRENT' } }, new AbortController().signal);
    assert.equal(emulator.calls().length, 1);
  });

  it('reads and writes objects in S3', async () => {
    offsetMs = -2 * HOUR_MS;
    const { AWS_ENDPOINT_URL, ...env } = emulator.environment;
    emulator.addBucket('bucket');
    const objects = new S3Objects({
      env: { ...BARE_ENV, ...env, AWS_ENDPOINT_URL_S3: AWS_ENDPOINT_URL },
      log: silentLog,
      trustedCertificates: ['system'],
      deadlines: { connect: 20_000, total: 60_000 },
      counts: { calls: 0, errors: 0, throttled: 0 },
    });
    const { signal } = new AbortController();
    await objects.put('bucket', 'key', Buffer.from('an object'), signal);
    assert.equal(String(await objects.get('bucket', 'key', signal)), 'an object');
    objects.stop();
  });

  it('tries credentials whose AWS_CREDENTIAL_EXPIRATION is past, or no time, and says so', async () => {
    offsetMs = 0;
    const past = new Date(Date.now() - HOUR_MS).toISOString();
    for (const [end, logged] of [
      [past, /have expired by this machine's clock; they are tried all the same/],
      ['garbage', /AWS_CREDENTIAL_EXPIRATION is no time, and is ignored/],
    ] as const) {
      const env = { ...BARE_ENV, ...emulator.environment, AWS_CREDENTIAL_EXPIRATION: end };
      await using aws = await openAws(emulator, {}, { env });
      assert.equal(await aws.read('db'), 'one');
      assert.match(aws.logged.join(''), logged);
    }
  });

  it('is told by AWS, and by nobody else, that credentials have expired', async () => {
    offsetMs = 0;
    const { accessKeyId, secretAccessKey, sessionToken } = emulator.issueCredentials('reader');
    emulator.expireCredentials(accessKeyId);
    const keys = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
    const env = { ...BARE_ENV, ...emulator.environment, ...keys, AWS_CREDENTIAL_EXPIRATION: new Date().toISOString() };
    await using aws = await openAws(emulator, {}, { env });
    await assert.rejects(aws.read('db'), {
      code: 'unavailable',
      message:
        /refuses the credentials \(ExpiredTokenException: The security token included in the request is expired\)/,
    });
  });
});
