import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { BARE_ENV, type OpenedAws, openAws } from '../testing/open-aws.ts';

const CURRENT = { stage: 'AWSCURRENT' };
const query = (path: string): SecretQuery => ({ path, version: CURRENT });
const signal = new AbortController().signal;

describe('the aws backend', () => {
  let emulator: Emulator;
  let aws: OpenedAws;
  before(async () => {
    emulator = await startEmulator();
    aws = await openAws(emulator);
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.clearSecrets();
    emulator.resetCalls();
  });
  after(async () => {
    await aws[Symbol.asyncDispose]();
    await emulator.stop();
  });

  it('fetches a secret with what AWS says of it', async () => {
    const { arn, versionId } = emulator.putSecret('us-east-1', 'app/db', { user: 'u' });
    const fetched = await aws.backend.fetch(query('app/db'), signal);
    assert.equal(fetched.value.pick({ key: 'user' }), 'u');
    assert.deepEqual(fetched.version, { id: versionId, stages: ['AWSCURRENT'] });
    assert.equal(fetched.arn, arn);
    assert.equal(fetched.name, 'app/db');
    assert.ok(Math.abs(fetched.createdAt! - Date.now()) < 60_000);
    assert.equal((await aws.backend.fetch(query(arn), signal)).name, 'app/db');
  });

  it('fetches a binary secret, one of 64 KiB, and one with the name of a path', async () => {
    emulator.putSecret('us-east-1', 'binary', Buffer.from([0, 255, 10]));
    emulator.putSecret('us-east-1', 'big', 'x'.repeat(65_536));
    emulator.putSecret('us-east-1', '/secret/key', 'named like a path');
    const binary = await aws.backend.fetch(query('binary'), signal);
    assert.equal(binary.value.encoding, 'base64');
    assert.equal(binary.value.reveal(), Buffer.from([0, 255, 10]).toString('base64'));
    assert.equal((await aws.read('big')).length, 65_536);
    assert.equal(await aws.read('/secret/key'), 'named like a path');
  });

  it('fetches the current, the previous and any named version', async () => {
    const first = emulator.putSecret('us-east-1', 'db', 'one');
    emulator.putSecret('us-east-1', 'db', 'two');
    assert.equal(await aws.read('db'), 'two');
    assert.equal(await aws.read('db', { stage: 'AWSPREVIOUS' }), 'one');
    assert.equal(await aws.read('db', { id: first.versionId }), 'one');
    await assert.rejects(aws.read('db', { stage: 'AWSPENDING' }), { code: 'not_found' });
  });

  it('tells missing, deleted and denied secrets apart from a vault that does not answer', async () => {
    emulator.putSecret('us-east-1', 'db', 'one');
    await assert.rejects(aws.read('nope'), { code: 'not_found', throttled: false });
    const failures = [
      ['InvalidRequestException', 400, 'not_found'],
      ['AccessDeniedException', 400, 'access_denied'],
      ['DecryptionFailure', 400, 'access_denied'],
      ['InternalServiceError', 500, 'unavailable'],
      ['ServiceUnavailable', 503, 'unavailable'],
      ['SomethingNewException', 400, 'unavailable'],
    ] as const;
    for (const [code, status, expected] of failures) {
      emulator.order({ behaviour: { kind: 'error', status, code }, times: 1 });
      await assert.rejects(aws.read('db'), { code: expected, throttled: false }, code);
    }
    emulator.order({ behaviour: { kind: 'throttle' }, times: 1 });
    await assert.rejects(aws.read('db'), { code: 'unavailable', throttled: true });
    // Twice: a kept connection that dies before an answer is no failure yet.
    emulator.order({ behaviour: { kind: 'cut' }, times: 2 });
    await assert.rejects(aws.read('db'), { code: 'unavailable' });
    assert.equal(await aws.read('db'), 'one');
  });

  it('makes one call a fetch, whatever fails: trying again is for others to decide', async () => {
    emulator.order({ behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' } });
    const before = { ...aws.counts };
    await assert.rejects(aws.read('db'));
    assert.equal(emulator.calls().length, 1);
    assert.deepEqual(aws.counts, { ...before, calls: before.calls + 1, errors: before.errors + 1 });
  });

  it('shows nothing of what an endpoint sends that is not AWS, however it fails', async () => {
    const canary = 'c4n4ry';
    const bodies = [
      `<html>${canary}</html>`,
      `{"SecretString":"${canary}"`,
      `{"Name":"db","x":"${canary}"}`,
      `"${canary}"`,
    ];
    for (const status of [200, 400, 500]) {
      for (const body of bodies) {
        emulator.order({ behaviour: { kind: 'garbage', status, body }, times: 1 });
        const error = await aws.read('db').catch((thrown: unknown) => thrown);
        assert.ok(error instanceof BackendError, `${status} ${body}`);
        assert.equal(error.code, 'unavailable');
        assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(canary), inspect(error));
      }
    }
    emulator.order({ behaviour: { kind: 'error', status: 400, code: 'X', message: canary } });
    const error = await aws.read('db').catch((thrown: unknown) => thrown);
    assert.ok(!inspect(error, { depth: 9 }).includes(canary));
    assert.ok(!aws.logged.join('').includes(canary));
  });

  it('gives up a call that is not answered in time, and one that is cancelled', async () => {
    await using impatient = await openAws(emulator, {}, { deadlines: { connect: 1000, total: 200 } });
    emulator.order({ behaviour: { kind: 'hang' } });
    await assert.rejects(impatient.read('db'), { code: 'unavailable', message: /did not answer in 200 ms/ });
    const abort = new AbortController();
    const cancelled = assert.rejects(aws.backend.fetch(query('db'), abort.signal), { code: 'unavailable' });
    await emulator.waitForCalls({ operation: 'GetSecretValue' }, 2);
    abort.abort();
    await cancelled;
  });

  it('says what can not be reached', async () => {
    await using gone = await openAws(emulator, { endpoint_url: 'http://127.0.0.1:1' });
    await assert.rejects(gone.read('db'), {
      code: 'unavailable',
      message:
        'secret "db": AWS Secrets Manager in us-east-1 at http://127.0.0.1:1 (endpoint_url) can\'t be reached (ECONNREFUSED)',
    });
  });

  it('takes an endpoint with a path', async () => {
    await using proxied = await openAws(emulator, { endpoint_url: `${emulator.url}/some/path` });
    await assert.rejects(proxied.read('db'));
    assert.match(emulator.calls()[0]!.path, /^\/some\/path/);
  });

  it('refuses an endpoint that is its own', async () => {
    const { port } = emulator.address;
    for (const [listen, host] of [
      [`127.0.0.1:${port}`, 'localhost'],
      [`0.0.0.0:${port}`, '127.0.0.1'],
    ] as const) {
      await using own = await openAws(emulator, { endpoint_url: `http://${host}:${port}` }, { ownListen: listen });
      await assert.rejects(own.read('db'), { code: 'unavailable', message: /own api_listen/ });
    }
    assert.equal(emulator.calls().length, 0);
  });

  it('asks the region that is said nearest', async () => {
    const env = { ...BARE_ENV, ...emulator.environment, AWS_DEFAULT_REGION: 'eu-west-3' };
    const regions = [
      [{ region: 'eu-central-1' }, env, 'eu-central-1'],
      [{}, { ...env, AWS_REGION: 'eu-west-2' }, 'eu-west-2'],
      [{}, { ...env, AWS_REGION: undefined }, 'eu-west-3'],
    ] as const;
    for (const [config, variables, expected] of regions) {
      emulator.resetCalls();
      await using opened = await openAws(emulator, config, { env: variables });
      await assert.rejects(opened.read('db'), { code: 'not_found' });
      assert.equal(emulator.calls()[0]!.region, expected);
      assert.ok(opened.backend.description.startsWith(`AWS Secrets Manager in ${expected} (`));
    }
  });

  it('says so where no region is known', async () => {
    const env = { ...BARE_ENV, AWS_ENDPOINT_URL: emulator.url };
    await assert.rejects(openAws(emulator, {}, { env }), { code: 'unavailable', message: /no AWS region is known/ });
  });

  describe('fetching many', () => {
    it('asks for 45 secrets in three calls, and answers in their order, misses among them', async () => {
      const paths = Array.from({ length: 45 }, (_, index) => `s${index}`);
      for (const path of paths) if (path !== 's7') emulator.putSecret('us-east-1', path, `value of ${path}`);
      const results = await aws.backend.fetchMany(paths.map(query), signal);
      for (const [index, result] of results.entries()) {
        if (index === 7) assert.equal((result as BackendError).code, 'not_found');
        else assert.equal((result as Exclude<typeof result, BackendError>).value.reveal(), `value of s${index}`);
      }
      assert.deepEqual(emulator.counts(), { BatchGetSecretValue: 3 });
    });

    it('reads an answer that is too large for one page to its end', async () => {
      const paths = Array.from({ length: 20 }, (_, index) => `large-${index}`);
      for (const path of paths) emulator.putSecret('us-east-1', path, `${path} ${'x'.repeat(65_000)}`);
      const results = await aws.backend.fetchMany(paths.map(query), signal);
      for (const [index, result] of results.entries()) {
        assert.ok(!(result instanceof BackendError) && result.value.reveal().startsWith(`large-${index} `));
      }
      assert.deepEqual(emulator.counts(), { BatchGetSecretValue: 2 });
    });

    it('asks one by one for what a batch can not give', async () => {
      emulator.putSecret('us-east-1', 'a', 'one');
      emulator.putSecret('us-east-1', 'a', 'two');
      const previous = { path: 'a', version: { stage: 'AWSPREVIOUS' } };
      const results = await aws.backend.fetchMany([query('a'), previous, query('a')], signal);
      const values = results.map((result) => !(result instanceof BackendError) && result.value.reveal());
      assert.deepEqual(values, ['two', 'one', 'two']);
      assert.deepEqual(emulator.counts(), { GetSecretValue: 2 });
    });

    it('falls back to single calls where IAM forbids batches, and remembers it', async () => {
      emulator.addPrincipal({
        name: 'single',
        accessKeyId: 'AKIASINGLE',
        secretAccessKey: 'no-batches',
        policy: [{ effect: 'allow', actions: ['secretsmanager:GetSecretValue'] }],
      });
      const keys = { AWS_ACCESS_KEY_ID: 'AKIASINGLE', AWS_SECRET_ACCESS_KEY: 'no-batches' };
      await using single = await openAws(emulator, {}, { env: { ...BARE_ENV, ...emulator.environment, ...keys } });
      for (const path of ['a', 'b']) emulator.putSecret('us-east-1', path, path);
      for (let round = 0; round < 2; round++) {
        const results = await single.backend.fetchMany(['a', 'b'].map(query), signal);
        assert.ok(results.every((result) => !(result instanceof BackendError)));
      }
      const { BatchGetSecretValue: batches, GetSecretValue: singles } = emulator.counts();
      assert.deepEqual({ batches, singles }, { batches: 1, singles: 4 });
    });

    it('does not ask for each where the batch can not reach the vault', async () => {
      emulator.order({ behaviour: { kind: 'throttle' } });
      const results = await aws.backend.fetchMany(['a', 'b', 'c'].map(query), signal);
      assert.ok(results.every((result) => result instanceof BackendError && result.throttled));
      assert.deepEqual(emulator.counts(), { BatchGetSecretValue: 1 });
    });

    it('takes one secret that fails in a batch for itself', async () => {
      for (const path of ['a', 'b', 'c']) emulator.putSecret('us-east-1', path, path);
      emulator.order({
        match: { secret: 'b' },
        behaviour: { kind: 'error', status: 400, code: 'AccessDeniedException' },
      });
      const results = await aws.backend.fetchMany(['a', 'b', 'c'].map(query), signal);
      assert.deepEqual(
        results.map((result) => (result instanceof BackendError ? result.code : 'found')),
        ['found', 'access_denied', 'found'],
      );
    });
  });
});
