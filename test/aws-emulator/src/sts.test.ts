import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  AssumeRoleWithWebIdentityCommand,
  type Credentials,
  GetCallerIdentityCommand,
} from '@aws-sdk/client-sts';
import { type Emulator, startEmulator } from './emulator.ts';
import { type ClientOptions, secretsClient, stsClient } from './sdk-clients.ts';

const ACCOUNT = '123456789012';
const APP = { accessKeyId: 'AKIAAPPAPPAPPAPP0000', secretAccessKey: 'app-secret' };
const READ = [{ effect: 'allow' as const, actions: ['secretsmanager:GetSecretValue'], resources: ['app/*'] }];
const ROLE = `arn:aws:iam::${ACCOUNT}:role/reader`;
const usable = (credentials: Credentials | undefined) => ({
  accessKeyId: credentials!.AccessKeyId!,
  secretAccessKey: credentials!.SecretAccessKey!,
  sessionToken: credentials!.SessionToken!,
});

describe('STS', () => {
  let emulator: Emulator;
  let skew = 0;
  beforeEach(async () => {
    skew = 0;
    emulator = await startEmulator({
      clock: () => Date.now() + skew,
      principals: [{ name: 'app', ...APP, policy: [] }],
      roles: [{ name: 'reader', trust: { principals: [`arn:aws:iam::${ACCOUNT}:user/app`] }, policy: READ }],
    });
    emulator.putSecret('us-east-1', 'app/db', 'v');
    emulator.putSecret('us-east-1', 'other', 'v');
  });
  afterEach(() => emulator.stop());

  const identity = (options: ClientOptions = {}) => stsClient(emulator, options).send(new GetCallerIdentityCommand({}));
  const assume = (input: Partial<AssumeRoleCommandInput> = {}, credentials = APP as ClientOptions['credentials']) =>
    stsClient(emulator, { credentials: credentials! }).send(
      new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: 'one', ...input }),
    );
  const read = (credentials: ClientOptions['credentials'], SecretId = 'app/db') =>
    secretsClient(emulator, { credentials: credentials! }).send(new GetSecretValueCommand({ SecretId }));

  it('says who calls, whatever the caller may do', async () => {
    const answer = await identity({ credentials: APP });
    assert.equal(answer.Arn, `arn:aws:iam::${ACCOUNT}:user/app`);
    assert.equal(answer.Account, ACCOUNT);
    assert.match(answer.UserId!, /^AIDA[A-Z2-7]{17}$/);
  });

  it('hands out a session of a role to whom the role trusts', async () => {
    const { Credentials: issued, AssumedRoleUser } = await assume({ DurationSeconds: 1800 });
    assert.equal(AssumedRoleUser?.Arn, `arn:aws:sts::${ACCOUNT}:assumed-role/reader/one`);
    assert.match(AssumedRoleUser?.AssumedRoleId ?? '', /^AROA[A-Z2-7]{17}:one$/);
    assert.match(issued!.AccessKeyId!, /^ASIA[A-Z2-7]{16}$/);
    assert.ok(Math.abs(issued!.Expiration!.getTime() - Date.now() - 1_800_000) < 60_000);
    assert.equal((await identity({ credentials: usable(issued) })).Arn, AssumedRoleUser?.Arn);
    assert.equal((await read(usable(issued))).SecretString, 'v');
    await assert.rejects(read(usable(issued), 'other'), {
      name: 'AccessDeniedException',
      message: `User: ${AssumedRoleUser?.Arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: other because no identity-based policy allows the secretsmanager:GetSecretValue action`,
    });
    const [call] = emulator.calls({ operation: 'GetSecretValue', secret: 'app/db' });
    assert.deepEqual([call?.roleArn, call?.roleSession, call?.status], [ROLE, 'one', 200]);
  });

  it('refuses a caller that the role does not trust, and a role that is not there, alike', async () => {
    emulator.addRole({ name: 'closed', policy: READ });
    for (const name of ['closed', 'missing']) {
      const RoleArn = `arn:aws:iam::${ACCOUNT}:role/${name}`;
      await assert.rejects(assume({ RoleArn }), (error: Error & { $metadata: { httpStatusCode: number } }) => {
        assert.equal(error.name, 'AccessDenied');
        assert.equal(error.$metadata.httpStatusCode, 403);
        assert.equal(
          error.message,
          `User: arn:aws:iam::${ACCOUNT}:user/app is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`,
        );
        return true;
      });
    }
  });

  it('wants the permission of the caller as well where the trust names an account', async () => {
    const RoleArn = emulator.addRole({ name: 'open', trust: { principals: [ACCOUNT] }, policy: READ });
    await assert.rejects(assume({ RoleArn }), { name: 'AccessDenied' });
    const policy = [{ effect: 'allow' as const, actions: ['sts:AssumeRole'], resources: ['open'] }];
    emulator.addPrincipal({ name: 'app', ...APP, policy });
    assert.ok((await assume({ RoleArn })).Credentials);
  });

  it('wants the external id that the trust names', async () => {
    const trust = { principals: [`arn:aws:iam::${ACCOUNT}:user/app`], externalId: 'customer-7' };
    emulator.addRole({ name: 'reader', trust, policy: READ });
    await assert.rejects(assume(), { name: 'AccessDenied' });
    assert.ok((await assume({ ExternalId: 'customer-7' })).Credentials);
  });

  it('chains roles for an hour at most', async () => {
    const trust = { principals: [ROLE] };
    const RoleArn = emulator.addRole({ name: 'second', trust, policy: READ, maxSession: 7200 });
    const first = usable((await assume()).Credentials);
    assert.ok((await assume({ RoleArn }, first)).Credentials);
    await assert.rejects(assume({ RoleArn, DurationSeconds: 7200 }, first), {
      name: 'ValidationError',
      message: /role chaining/,
    });
  });

  it('keeps to the durations and session names that AWS allows', async () => {
    for (const input of [
      { DurationSeconds: 899 },
      { DurationSeconds: 3601 },
      { RoleSessionName: 'x' },
      { RoleSessionName: 'with space' },
    ]) {
      await assert.rejects(assume(input), { name: 'ValidationError' });
    }
  });

  it('cuts a session down to its session policy', async () => {
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Action: 'secretsmanager:*', Resource: '*' }],
    });
    const denied = usable((await assume({ Policy })).Credentials);
    await assert.rejects(read(denied), { message: /with an explicit deny in a session policy$/ });
    await assert.rejects(assume({ Policy: '{' }), { name: 'MalformedPolicyDocumentException' });
  });

  it('lets credentials expire, be expired and be revoked', async () => {
    const [a, b, c] = [await assume(), await assume(), await assume()].map((answer) => usable(answer.Credentials));
    emulator.expireCredentials(b!.accessKeyId);
    await assert.rejects(read(b), { name: 'ExpiredTokenException' });
    await assert.rejects(identity({ credentials: b! }), { name: 'ExpiredToken' });
    emulator.revokeCredentials(c!.accessKeyId);
    await assert.rejects(read(c), { name: 'UnrecognizedClientException' });
    await assert.rejects(identity({ credentials: c! }), { name: 'InvalidClientTokenId' });
    await read(a);
    skew = 3_601_000;
    await assert.rejects(read(a), { name: 'ExpiredTokenException' });
  });

  it('gives sessions of a role the short life that a test wants', async () => {
    const trust = { principals: [`arn:aws:iam::${ACCOUNT}:user/app`] };
    emulator.addRole({ name: 'reader', trust, policy: READ, sessionSeconds: 2 });
    const { Credentials: issued } = await assume({ DurationSeconds: 3600 });
    assert.ok(issued!.Expiration!.getTime() - Date.now() <= 2000);
  });

  it('tells a wrong key, a wrong secret and a wrong session token apart', async () => {
    const good = usable((await assume()).Credentials);
    await assert.rejects(read({ ...good, accessKeyId: 'AKIANOBODY0000000000' }), {
      name: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    });
    await assert.rejects(read({ ...good, sessionToken: 'other' }), { name: 'UnrecognizedClientException' });
    await assert.rejects(read({ ...good, sessionToken: '' }), { name: 'UnrecognizedClientException' });
    await assert.rejects(read({ ...good, secretAccessKey: 'x' }), { name: 'InvalidSignatureException' });
    await assert.rejects(identity({ credentials: { ...APP, secretAccessKey: 'x' } }), {
      name: 'SignatureDoesNotMatch',
    });
  });

  it('shows global and regional use in the call log', async () => {
    await identity({ region: 'us-east-1' });
    await identity({ region: 'eu-central-1' });
    assert.deepEqual(
      emulator.calls({ service: 'sts' }).map((call) => call.region),
      ['us-east-1', 'eu-central-1'],
    );
  });

  describe('with a web identity', () => {
    const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');
    const claims = { iss: 'https://oidc.test', sub: 'system:serviceaccount:prod:app', aud: ['sts.amazonaws.com'] };
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const rs256 = (payload: object, key = rsa.privateKey) => {
      const text = `${part({ alg: 'RS256' })}.${part(payload)}`;
      return `${text}.${createSign('sha256').update(text).sign(key, 'base64url')}`;
    };
    const pem = (pair: { publicKey: { export(options: object): string | Buffer } }) =>
      String(pair.publicKey.export({ type: 'spki', format: 'pem' }));
    const assumeWith = (WebIdentityToken: string, RoleArn = `arn:aws:iam::${ACCOUNT}:role/web`) =>
      stsClient(emulator).send(
        new AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName: 'pod', WebIdentityToken }),
      );
    const trust = (more: object) => {
      const webIdentity = [{ issuer: 'https://oidc.test', ...more }];
      emulator.addRole({ name: 'web', trust: { webIdentity }, policy: READ });
    };

    it('hands out a session, unsigned, for a token that the role trusts', async () => {
      trust({ subject: 'system:serviceaccount:prod:*', audience: 'sts.amazonaws.com', publicKey: pem(rsa) });
      const answer = await assumeWith(rs256({ ...claims, exp: Date.now() / 1000 + 60 }));
      assert.equal(answer.SubjectFromWebIdentityToken, claims.sub);
      assert.equal(answer.Provider, claims.iss);
      assert.equal(answer.Audience, 'sts.amazonaws.com');
      assert.equal((await read(usable(answer.Credentials))).SecretString, 'v');
      const [call] = emulator.calls({ operation: 'AssumeRoleWithWebIdentity' });
      assert.deepEqual([call?.accessKeyId, call?.roleSession, call?.status], [null, 'pod', 200]);
    });

    it('is logged with the region that the endpoint URL names', async () => {
      trust({});
      const endpoint = `${emulator.url}/eu-west-1`;
      await stsClient(emulator, { endpoint }).send(
        new AssumeRoleWithWebIdentityCommand({
          RoleArn: `arn:aws:iam::${ACCOUNT}:role/web`,
          RoleSessionName: 'pod',
          WebIdentityToken: rs256(claims),
        }),
      );
      await assumeWith(rs256(claims));
      assert.deepEqual(
        emulator.calls({ operation: 'AssumeRoleWithWebIdentity' }).map((call) => call.region),
        ['eu-west-1', null],
      );
    });

    it('checks ES256 signatures too', async () => {
      trust({ publicKey: pem(ec) });
      const text = `${part({ alg: 'ES256' })}.${part(claims)}`;
      const key = { key: ec.privateKey, dsaEncoding: 'ieee-p1363' as const };
      const good = `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
      assert.ok((await assumeWith(good)).Credentials);
      await assert.rejects(assumeWith(rs256(claims)), { name: 'InvalidIdentityTokenException' });
    });

    it('refuses tokens of another issuer, subject or audience, expired ones and forged ones', async () => {
      trust({ subject: 'system:serviceaccount:prod:app', audience: 'sts.amazonaws.com', publicKey: pem(rsa) });
      const forger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
      const refusals: [token: string, name: string][] = [
        [rs256({ ...claims, iss: 'https://evil.test' }), 'InvalidIdentityTokenException'],
        [rs256({ ...claims, sub: 'system:serviceaccount:prod:other' }), 'AccessDenied'],
        [rs256({ ...claims, aud: 'other' }), 'AccessDenied'],
        [rs256({ ...claims, exp: 1 }), 'ExpiredTokenException'],
        [rs256(claims, forger), 'InvalidIdentityTokenException'],
        ['not-a-jwt', 'InvalidIdentityTokenException'],
      ];
      for (const [token, name] of refusals) await assert.rejects(assumeWith(token), { name });
      await assert.rejects(assumeWith(rs256(claims), ROLE), { name: 'AccessDenied' });
    });

    it('takes one token by its text where the trust says so', async () => {
      emulator.addRole({ name: 'web', trust: { webIdentity: [{ token: 'opaque-token' }] }, policy: READ });
      assert.ok((await assumeWith('opaque-token')).Credentials);
      await assert.rejects(assumeWith('another-token'), { name: 'InvalidIdentityTokenException' });
    });
  });
});
