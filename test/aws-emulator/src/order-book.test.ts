import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  BatchGetSecretValueCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { type Emulator, startEmulator } from './emulator.ts';
import type { Behaviour } from './order-book.ts';
import { secretsClient, stsClient } from './sdk-clients.ts';

describe('an order', () => {
  let emulator: Emulator;
  let client: SecretsManagerClient;
  beforeEach(async () => {
    emulator = await startEmulator();
    client = secretsClient(emulator);
    for (const name of ['a', 'b']) emulator.putSecret('us-east-1', name, `value of ${name}`);
    emulator.putSecret('eu-west-1', 'a', 'value in Ireland');
  });
  afterEach(async () => {
    client.destroy();
    await emulator.stop();
  });
  const read = (SecretId = 'a', from = client, abortSignal?: AbortSignal) =>
    from.send(new GetSecretValueCommand({ SecretId }), abortSignal ? { abortSignal } : {});
  const timeLimit = () => AbortSignal.timeout(10_000);

  it('to throttle answers in the words of each service, for as many calls as it says', async () => {
    const order = emulator.order({ behaviour: { kind: 'throttle' }, times: 2 });
    await assert.rejects(read(), { name: 'ThrottlingException', message: 'Rate exceeded' });
    await assert.rejects(stsClient(emulator).send(new GetCallerIdentityCommand({})), { name: 'Throttling' });
    assert.equal((await read()).SecretString, 'value of a');
    assert.equal(order.used, 2);
  });

  it('to err gives the status and code it says, and nothing takes effect', async () => {
    const behaviour: Behaviour = { kind: 'error', status: 503, code: 'ServiceUnavailable', message: 'Try later' };
    const order = emulator.order({ match: { operation: 'PutSecretValue' }, behaviour });
    const put = client.send(new PutSecretValueCommand({ SecretId: 'a', SecretString: 'new' }));
    await assert.rejects(put, (error: Error & { $metadata: { httpStatusCode: number } }) => {
      assert.deepEqual([error.name, error.message], ['ServiceUnavailable', 'Try later']);
      assert.equal(error.$metadata.httpStatusCode, 503);
      return true;
    });
    assert.equal((await read()).SecretString, 'value of a');
    assert.deepEqual(
      emulator.calls().map((call) => [call.operation, call.status, call.errorCode, call.orderId]),
      [
        ['PutSecretValue', 503, 'ServiceUnavailable', order.id],
        ['GetSecretValue', 200, null, null],
      ],
    );
  });

  it('makes the SDK try again, and the tries are counted', async () => {
    emulator.order({ behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' }, times: 2 });
    const patient = secretsClient(emulator, { maxAttempts: 3 });
    assert.equal((await read('a', patient)).SecretString, 'value of a');
    assert.deepEqual(emulator.counts(), { GetSecretValue: 3 });
    patient.destroy();
  });

  it('goes by secret, under its name and its ARN, and by region', async () => {
    emulator.order({ match: { secret: 'a', region: 'us-*' }, behaviour: { kind: 'throttle' } });
    const { arn } = emulator.describeSecret('us-east-1', 'a')!;
    for (const id of ['a', arn, arn.slice(0, -7)]) await assert.rejects(read(id), { name: 'ThrottlingException' });
    assert.equal((await read('b')).SecretString, 'value of b');
    const ireland = secretsClient(emulator, { region: 'eu-west-1' });
    assert.equal((await read('a', ireland)).SecretString, 'value in Ireland');
    ireland.destroy();
  });

  it('goes by who calls', async () => {
    const trust = { principals: ['*'] };
    emulator.addRole({ name: 'slow', trust, policy: [{ effect: 'allow', actions: ['*'] }] });
    emulator.order({ match: { principal: '*:role/slow' }, behaviour: { kind: 'throttle' } });
    const slow = secretsClient(emulator, { credentials: emulator.issueCredentials('slow') });
    await assert.rejects(read('a', slow), { name: 'ThrottlingException' });
    assert.ok(await read());
    slow.destroy();
  });

  it('to err about one secret of a batch leaves the others', async () => {
    const behaviour: Behaviour = { kind: 'error', status: 500, code: 'InternalServiceError', message: 'no' };
    emulator.order({ match: { secret: 'a' }, behaviour });
    const answer = await client.send(new BatchGetSecretValueCommand({ SecretIdList: ['a', 'b'] }));
    assert.deepEqual(answer.Errors, [{ SecretId: 'a', ErrorCode: 'InternalServiceError', Message: 'no' }]);
    assert.deepEqual(
      answer.SecretValues?.map((value) => value.Name),
      ['b'],
    );
  });

  it('to wait delays the answer by that time', async () => {
    emulator.order({ behaviour: { kind: 'delay', ms: 80 }, times: 1 });
    const began = performance.now();
    assert.equal((await read()).SecretString, 'value of a');
    // Timers may fire a millisecond early.
    assert.ok(performance.now() - began >= 79);
  });

  it('to hang holds the call until the order is released', async () => {
    const order = emulator.order({ behaviour: { kind: 'hang' } });
    const answer = read();
    const [call] = await emulator.waitForCalls({ operation: 'GetSecretValue' }, 1, { signal: timeLimit() });
    assert.deepEqual([call?.status, call?.endedAt, call?.orderId], [null, null, order.id]);
    order.release();
    assert.equal((await answer).SecretString, 'value of a');
    assert.equal(emulator.orders().length, 0);
  });

  it('to hang ends when the caller hangs up, and the log says so', async () => {
    emulator.order({ behaviour: { kind: 'hang' } });
    const caller = new AbortController();
    const answer = assert.rejects(read('a', client, caller.signal), { name: 'AbortError' });
    await emulator.waitForCalls({}, 1, { signal: timeLimit() });
    caller.abort();
    await answer;
    const [call] = await emulator.waitForCalls({}, 1, { ended: true, signal: timeLimit() });
    assert.equal(call?.status, null);
  });

  it('to hang or to wait does not keep the emulator from stopping', async () => {
    emulator.order({ match: { secret: 'a' }, behaviour: { kind: 'hang' } });
    emulator.order({ match: { secret: 'b' }, behaviour: { kind: 'delay', ms: 3_600_000 } });
    const broken = Promise.allSettled([read('a'), read('b')]);
    await emulator.waitForCalls({}, 2, { signal: timeLimit() });
    await emulator.stop();
    for (const result of await broken) assert.equal(result.status, 'rejected');
    assert.ok(emulator.calls().every((call) => call.endedAt !== null));
  });

  it('to talk garbage answers with what is no protocol', async () => {
    emulator.order({ behaviour: { kind: 'garbage' }, times: 1 });
    await assert.rejects(read(), SyntaxError);
    emulator.order({ behaviour: { kind: 'garbage', status: 502, body: '<h1>Bad Gateway</h1>' } });
    await assert.rejects(read(), (error: Error & { $metadata?: { httpStatusCode: number } }) => {
      assert.equal(error.$metadata?.httpStatusCode, 502);
      return true;
    });
  });

  it('to cut closes the connection before anything is done', async () => {
    emulator.order({ match: { operation: 'PutSecretValue' }, behaviour: { kind: 'cut' } });
    await assert.rejects(client.send(new PutSecretValueCommand({ SecretId: 'a', SecretString: 'new' })), {
      code: 'ECONNRESET',
    });
    assert.equal((await read()).SecretString, 'value of a');
  });

  it('to cut after some bytes loses the answer and not the effect', async () => {
    emulator.order({ match: { operation: 'PutSecretValue' }, behaviour: { kind: 'cut', afterBytes: 10 } });
    await assert.rejects(client.send(new PutSecretValueCommand({ SecretId: 'a', SecretString: 'new' })));
    assert.equal((await read()).SecretString, 'new');
    const [call] = emulator.calls({ operation: 'PutSecretValue' });
    assert.equal(call?.status, 200);
    assert.notEqual(call?.endedAt, null);
  });

  it('given first goes first, and one that is removed goes no more', async () => {
    const first = emulator.order({ behaviour: { kind: 'throttle' } });
    emulator.order({ behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' } });
    await assert.rejects(read(), { name: 'ThrottlingException' });
    first.remove();
    await assert.rejects(read(), { name: 'InternalServiceError' });
    emulator.clearOrders();
    assert.ok(await read());
  });

  it('that makes no sense is refused with the reason', () => {
    const refused = (spec: unknown, message: RegExp) =>
      assert.throws(() => emulator.order(spec as never), { name: 'SpecError', message });
    refused({ behaviour: { kind: 'explode' } }, /delay, hang, error, throttle, garbage, alter or cut/);
    refused({ behaviour: { kind: 'delay' } }, /ms of delay/);
    refused({ behaviour: { kind: 'hang' }, match: { op: 'x' } }, /no member op/);
    refused({ behaviour: { kind: 'hang' }, times: 0 }, /times/);
    refused({ behaviour: { kind: 'hang' }, match: { service: 'sqs' } }, /service is one of/);
  });
});
