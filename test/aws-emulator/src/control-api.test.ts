import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Call } from './call-log.ts';
import { type Emulator, startEmulator } from './emulator.ts';
import { secretsClient } from './sdk-clients.ts';

describe('the control API', () => {
  let emulator: Emulator;
  let client: SecretsManagerClient;
  beforeEach(async () => {
    emulator = await startEmulator();
    client = secretsClient(emulator);
  });
  afterEach(async () => {
    client.destroy();
    await emulator.stop();
  });
  const ask = async (method: string, path: string, json?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${emulator.url}/_emulator/${path}`, {
      method,
      headers,
      ...(json === undefined ? {} : { body: typeof json === 'string' ? json : JSON.stringify(json) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? null : JSON.parse(text) };
  };
  const read = (SecretId = 's') => client.send(new GetSecretValueCommand({ SecretId }));

  it('puts secrets in, describes them without values and takes them away', async () => {
    const put = await ask('POST', 'secrets', { name: 's', value: { foo: 'bar' } });
    assert.equal(put.status, 201);
    assert.equal((await read()).SecretString, '{"foo":"bar"}');
    await ask('POST', 'secrets', { name: 's', value: 'pending', stages: ['AWSPENDING'] });
    assert.equal((await read()).SecretString, '{"foo":"bar"}');
    const found = await ask('GET', 'secrets?name=s');
    assert.deepEqual([found.json.arn, found.json.versions.length], [put.json.arn, 2]);
    assert.ok(!JSON.stringify(found.json).includes('bar'));
    await ask('POST', 'secrets', { name: 'b', region: 'eu-west-1', binary: 'AAEC' });
    assert.equal((await ask('DELETE', 'secrets?name=s')).status, 204);
    assert.equal((await ask('GET', 'secrets?name=s')).status, 404);
    assert.equal((await ask('DELETE', 'secrets?name=b&region=eu-west-1')).status, 204);
  });

  it('gives, lists, releases and removes orders', async () => {
    emulator.putSecret('us-east-1', 's', 'v');
    const { json } = await ask('POST', 'orders', { match: { secret: 's' }, behaviour: { kind: 'hang' } });
    const answer = read();
    const calls = await ask('GET', 'calls?operation=GetSecretValue&atLeast=1');
    assert.equal(calls.json[0].orderId, json.id);
    assert.equal((await ask('GET', 'orders')).json[0].used, 1);
    assert.equal((await ask('DELETE', `orders/${json.id}?release=true`)).status, 204);
    assert.equal((await answer).SecretString, 'v');
    assert.equal((await ask('DELETE', `orders/${json.id}`)).status, 404);
    await ask('POST', 'orders', { behaviour: { kind: 'throttle' } });
    await ask('DELETE', 'orders');
    assert.ok(await read());
  });

  it('tells calls and counts, waits for calls, and forgets them', async () => {
    emulator.putSecret('us-east-1', 's', 'a secret value');
    const waiting = ask('GET', 'calls?secret=s&atLeast=2&ended=true');
    await read();
    await read();
    const calls: Call[] = (await waiting).json;
    assert.deepEqual(
      calls.map((call) => [call.region, call.secretId, call.principalArn, call.status]),
      Array(2).fill(['us-east-1', 's', 'arn:aws:iam::123456789012:user/emulator-admin', 200]),
    );
    assert.ok(!JSON.stringify(calls).includes('a secret value'));
    assert.deepEqual((await ask('GET', 'counts')).json, { GetSecretValue: 2 });
    assert.equal((await ask('GET', 'calls?atLeast=9&timeoutMs=1')).status, 408);
    await ask('DELETE', 'calls');
    assert.deepEqual((await ask('GET', 'counts')).json, {});
  });

  it('adds and removes principals and roles, and issues, expires and revokes credentials', async () => {
    await ask('POST', 'secrets', { name: 's', value: 'v' });
    const policy = [{ effect: 'allow', actions: ['secretsmanager:GetSecretValue'] }];
    const keys = { accessKeyId: 'AKIAOVERHTTP00000000', secretAccessKey: 'k' };
    assert.equal((await ask('POST', 'principals', { name: 'p', ...keys, policy })).status, 204);
    const someone = secretsClient(emulator, { credentials: keys });
    assert.ok(await someone.send(new GetSecretValueCommand({ SecretId: 's' })));
    assert.equal((await ask('DELETE', 'principals/p')).status, 204);
    await assert.rejects(someone.send(new GetSecretValueCommand({ SecretId: 's' })));
    someone.destroy();

    const { arn } = (await ask('POST', 'roles', { name: 'r', policy })).json;
    assert.ok((await ask('GET', 'roles')).json.includes(arn));
    const issued = (await ask('POST', 'credentials', { role: 'r', session: 'x', seconds: 60 })).json;
    const session = secretsClient(emulator, { credentials: { ...issued, expiration: new Date(issued.expiration) } });
    assert.ok(await session.send(new GetSecretValueCommand({ SecretId: 's' })));
    assert.equal((await ask('POST', `credentials/${issued.accessKeyId}/expire`)).status, 204);
    const again = () => session.send(new GetSecretValueCommand({ SecretId: 's' }));
    await assert.rejects(again(), { name: 'ExpiredTokenException' });
    assert.equal((await ask('DELETE', `credentials/${issued.accessKeyId}`)).status, 204);
    await assert.rejects(again(), { name: 'UnrecognizedClientException' });
    session.destroy();
    assert.equal((await ask('DELETE', `roles/${arn}`)).status, 204);
  });

  it('takes whole seeds, with versions oldest first', async () => {
    const seed = { secrets: [{ region: 'us-east-1', name: 's', versions: ['one', 'two', { three: 3 }] }] };
    assert.equal((await ask('POST', 'seed', seed)).status, 204);
    assert.equal((await read()).SecretString, '{"three":3}');
    const previous = await client.send(new GetSecretValueCommand({ SecretId: 's', VersionStage: 'AWSPREVIOUS' }));
    assert.equal(previous.SecretString, 'two');
  });

  it('changes the machine and resets the emulator', async () => {
    assert.equal((await ask('PATCH', 'machine', { imds: 'v2-only', region: 'eu-west-3' })).status, 204);
    assert.equal((await ask('GET', 'machine')).json.imds, 'v2-only');
    await ask('POST', 'secrets', { name: 's', value: 'v' });
    await ask('POST', 'orders', { behaviour: { kind: 'throttle' } });
    await ask('POST', 'reset');
    assert.ok(await read());
    await ask('POST', 'reset?secrets=true');
    await assert.rejects(read(), { name: 'ResourceNotFoundException' });
  });

  it('refuses nonsense with the reason and without repeating values', async () => {
    for (const [path, json, message] of [
      ['orders', '{', /not JSON/],
      ['orders', { behaviour: {} }, /kind of a behaviour/],
      ['secrets', { name: 'x y', value: 'hunter2' }, /name/],
      ['secrets', { name: 's', value: 'hunter2', colour: 'red' }, /no member colour/],
      ['principals', { name: 'p' }, /accessKeyId/],
      ['roles', { name: 'r', policy: [{ effect: 'perhaps', actions: ['*'] }] }, /effect/],
      ['credentials', { role: 'nobody' }, /no role nobody/],
    ] as const) {
      const answer = await ask('POST', path, json);
      assert.equal(answer.status, 400);
      assert.match(answer.json.error, message);
      assert.ok(!answer.json.error.includes('hunter2'));
    }
    assert.equal((await ask('PATCH', 'machine', { imds: 'v3' })).status, 400);
    assert.equal((await ask('GET', 'nothing')).status, 404);
  });

  it('answers no web page', async () => {
    assert.equal((await ask('GET', 'health', undefined, { origin: 'http://evil.test' })).status, 403);
    assert.equal((await ask('GET', 'health')).json.status, 'ok');
  });
});
