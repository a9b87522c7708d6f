import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type GcpEmulator, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { type OpenedGcp, openGcp } from '../testing/open-gcp.ts';

const query = (path: string): SecretQuery => ({ path, version: {} });
const signal = new AbortController().signal;

describe('the gcp backend', () => {
  let emulator: GcpEmulator;
  let gcp: OpenedGcp;
  before(async () => {
    emulator = await startGcpEmulator();
    gcp = await openGcp(emulator);
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.clearSecrets();
    emulator.resetCalls();
  });
  after(async () => {
    await gcp[Symbol.asyncDispose]();
    await emulator.stop();
  });

  it('fetches a secret with what Google says of it', async () => {
    const { name } = emulator.putSecret('db', { user: 'u' });
    const fetched = await gcp.backend.fetch(query('db'), signal);
    assert.equal(fetched.value.pick({ key: 'user' }), 'u');
    assert.deepEqual(fetched.version, { id: '1', stages: ['latest'] });
    assert.deepEqual([fetched.arn, fetched.name], [name, 'db']);
  });

  it('fetches bytes that are no text, the largest value there is, and the latest or any version', async () => {
    emulator.putSecret('binary', Buffer.from([0, 255, 10]));
    emulator.putSecret('large', 'x'.repeat(65_536));
    const binary = await gcp.backend.fetch(query('binary'), signal);
    assert.equal(binary.value.encoding, 'base64');
    assert.equal(binary.value.reveal(), Buffer.from([0, 255, 10]).toString('base64'));
    assert.equal((await gcp.read('large')).length, 65_536);
    for (const value of ['one', 'two', 'three']) emulator.putSecret('db', value);
    assert.equal(await gcp.read('db'), 'three');
    assert.equal(await gcp.read('db', { id: '2' }), 'two');
    await assert.rejects(gcp.read('db', { id: '9' }), { code: 'not_found', upstreamCode: 'NOT_FOUND' });
  });

  it('asks the project that is said, else that of the credentials', async () => {
    emulator.putSecret('db', 'of the other', { project: 'other-project' });
    emulator.putSecret('db', 'of the machine');
    const email = emulator.machine.serviceAccount!;
    const grants = [{ role: 'secretAccessor' }, { role: 'secretAccessor', project: 'other-project' }];
    emulator.addPrincipal({ email, grants: [...grants, { role: 'viewer' }] });
    await using other = await openGcp(emulator, { project_id: 'other-project' });
    assert.equal(await other.read('db'), 'of the other');
    assert.match(other.backend.description, /in project other-project at http/);
    assert.equal(await gcp.read('db'), 'of the machine');
  });

  it('takes a version that is disabled or destroyed, the latest too, for one that is not there', async () => {
    for (const value of ['one', 'two']) emulator.putSecret('db', value);
    for (const state of ['DISABLED', 'DESTROYED'] as const) {
      emulator.setVersionState('db', 2, state);
      for (const version of [{}, { id: '2' }]) {
        const expected = { code: 'not_found', message: new RegExp(`version is ${state.toLowerCase()}`) };
        await assert.rejects(gcp.read('db', version), expected);
      }
    }
    assert.equal(await gcp.read('db', { id: '1' }), 'one');
  });

  it('asks nothing for a name that no secret can have', async () => {
    for (const path of ['a/b', 'a b', '..', 'x'.repeat(256)]) {
      await assert.rejects(gcp.read(path), { code: 'not_found' });
    }
    assert.equal(emulator.calls({ service: 'secretmanager' }).length, 0);
  });

  it('tells missing and denied secrets apart from a vault that does not answer', async () => {
    emulator.putSecret('db', 'one');
    await assert.rejects(gcp.read('nope'), { code: 'not_found', throttled: false });
    const failures = [
      ['PERMISSION_DENIED', 403, 'access_denied'],
      ['INTERNAL', 500, 'unavailable'],
      ['UNAVAILABLE', 503, 'unavailable'],
      ['SOMETHING_NEW', 400, 'unavailable'],
      ['FAILED_PRECONDITION', 400, 'unavailable'],
    ] as const;
    for (const [code, status, expected] of failures) {
      emulator.order({ behaviour: { kind: 'error', status, code }, times: 1 });
      await assert.rejects(gcp.read('db'), { code: expected, throttled: false }, code);
    }
    emulator.order({ behaviour: { kind: 'throttle' }, times: 1 });
    await assert.rejects(gcp.read('db'), { code: 'unavailable', throttled: true, upstreamCode: 'RESOURCE_EXHAUSTED' });
    emulator.order({ behaviour: { kind: 'cut' } });
    await assert.rejects(gcp.read('db'), { code: 'unavailable', message: /can't be reached \(ECONNRESET\)/ });
    emulator.clearOrders();
    assert.equal(await gcp.read('db'), 'one');
  });

  it('names the permission that is missing', async () => {
    emulator.putSecret('db', 'one');
    const email = emulator.machine.serviceAccount!;
    emulator.addPrincipal({ email, grants: [] });
    await assert.rejects(gcp.read('db'), {
      code: 'access_denied',
      message: 'secret "db": access denied: the service account has no secretmanager.versions.access',
    });
    emulator.addPrincipal({ email, grants: [{ role: 'secretAccessor' }, { role: 'viewer' }] });
  });

  it('tells the reason of a refusal, and nothing else of what the server says', async () => {
    emulator.putSecret('db', 'one');
    const canary = 'correct horse battery staple';
    const cases: Array<[status: number, code: string, reason: string, message: string, expected: RegExp]> = [
      [
        400,
        'FAILED_PRECONDITION',
        '',
        `KMS key ${canary} is disabled`,
        /its Cloud KMS key is disabled\); look at the key's state/,
      ],
      [400, 'FAILED_PRECONDITION', '', 'Cloud KMS: no', /its Cloud KMS key does not open it\); look at/],
      [403, 'PERMISSION_DENIED', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', canary, /access scopes have no cloud-platform/],
      [403, 'PERMISSION_DENIED', 'SECURITY_POLICY_VIOLATED', canary, /VPC Service Controls/],
      [403, 'PERMISSION_DENIED', 'SOMETHING_NEW', canary, /access denied: SOMETHING_NEW$/],
      [401, 'UNAUTHENTICATED', 'ACCOUNT_STATE_INVALID', canary, /the service account is disabled or deleted/],
    ];
    for (const [status, code, reason, message, expected] of cases) {
      const details = reason === '' ? [] : [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }];
      const body = JSON.stringify({ error: { code: status, status: code, message, details } });
      const match = { service: 'secretmanager' } as const;
      const { id } = emulator.order({ match, behaviour: { kind: 'garbage', status, body } });
      const error = await gcp.read('db').catch((thrown: unknown) => thrown);
      emulator.removeOrder(id);
      assert.ok(error instanceof BackendError);
      assert.match(error.message, expected);
      assert.doesNotMatch(inspect(error), /horse/);
    }
  });

  it('never serves a value that does not have its checksum', async () => {
    emulator.putSecret('db', 'c4n4ry');
    const checksum = { pattern: '("dataCrc32c": ")\\d+', replacement: '$10' };
    const data = { pattern: '"data": "[^"]+"', replacement: '"data": "YzRuNHJZ"' };
    const none = { pattern: ',\\s*"dataCrc32c": "\\d+"', replacement: '' };
    for (const change of [checksum, data, none]) {
      emulator.order({ behaviour: { kind: 'alter', ...change }, times: 1 });
      const error = await gcp.read('db').catch((thrown: unknown) => thrown);
      assert.ok(error instanceof BackendError && error.code === 'unavailable', inspect(error));
      assert.match(error.message, /checksum \(CRC-32C\)/);
      assert.ok(!/c4n4r/i.test(inspect(error)));
    }
    emulator.order({ behaviour: { kind: 'alter', pattern: 'secrets/db', replacement: 'secrets/other' }, times: 1 });
    await assert.rejects(gcp.read('db'), { code: 'unavailable', message: /without the value that was asked for/ });
  });

  it('makes one call a fetch, whatever fails: trying again is for others to decide', async () => {
    emulator.order({
      match: { service: 'secretmanager' },
      behaviour: { kind: 'error', status: 500, code: 'INTERNAL' },
    });
    const before = { ...gcp.counts };
    await assert.rejects(gcp.read('db'));
    assert.equal(emulator.calls({ service: 'secretmanager' }).length, 1);
    assert.deepEqual(gcp.counts, { ...before, calls: before.calls + 1, errors: before.errors + 1 });
  });

  it('shows nothing of what an endpoint sends that is not Google, however it fails', async () => {
    const canary = 'c4n4ry';
    const bodies = [
      `<html>${canary}</html>`,
      `{"payload":{"data":"${canary}"`,
      `{"name":"${canary}","payload":{"data":"x"}}`,
      `{"error":{"status":"${canary}","message":"${canary}"}}`,
      `{"error":{"status":"INTERNAL","message":"${canary}","details":[{"reason":"${canary}"}]}}`,
      `"${canary}"`,
    ];
    for (const status of [200, 302, 400, 404, 500]) {
      for (const body of bodies) {
        emulator.order({ behaviour: { kind: 'garbage', status, body }, times: 1 });
        const error = await gcp.read('db').catch((thrown: unknown) => thrown);
        assert.ok(error instanceof BackendError, `${status} ${body}`);
        assert.equal(error.code, 'unavailable');
        assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(canary), inspect(error));
      }
    }
    assert.ok(!gcp.logged.join('').includes(canary));
  });

  it('gives up at its deadline, and at once when it is cancelled', async () => {
    emulator.putSecret('db', 'one');
    await gcp.read('db');
    const hang = emulator.order({ match: { service: 'secretmanager' }, behaviour: { kind: 'hang' } });
    await using impatient = await openGcp(emulator, {}, { deadlines: { connect: 1000, total: 300 } });
    await assert.rejects(impatient.read('db'), { code: 'unavailable', message: /did not answer in 300 ms/ });
    emulator.resetCalls();
    const cancel = new AbortController();
    const fetching = gcp.backend.fetch(query('db'), cancel.signal);
    const [call] = await emulator.waitForCalls({ service: 'secretmanager' });
    cancel.abort();
    await assert.rejects(fetching, { code: 'unavailable', message: /cancelled/ });
    await emulator.waitForCalls({ service: 'secretmanager' }, 1, { ended: true });
    assert.equal(call!.status, null);
    hang.release();
  });

  it('refuses an endpoint that is the own address of the program', async () => {
    const { host, port } = emulator.address;
    await using itself = await openGcp(emulator, {}, { ownListen: `${host}:${port}` });
    await assert.rejects(itself.read('db'), { code: 'unavailable', message: /this program's own api_listen/ });
  });

  describe('fetching many', () => {
    it('asks once for each that is different, and answers in their order, misses among them', async () => {
      const paths = Array.from({ length: 45 }, (_, index) => `s${index}`);
      for (const path of paths) if (path !== 's7') emulator.putSecret(path, `value of ${path}`);
      const results = await gcp.backend.fetchMany([...paths, ...paths].map(query), signal);
      for (const [index, result] of results.entries()) {
        const path = paths[index % 45]!;
        if (path === 's7') assert.equal((result as BackendError).code, 'not_found');
        else assert.ok(!(result instanceof BackendError) && result.value.reveal() === `value of ${path}`);
      }
      assert.equal(emulator.calls({ service: 'secretmanager' }).length, 45);
    });

    it('stops asking where Google throttles', async () => {
      const throttling = { match: { service: 'secretmanager' as const }, behaviour: { kind: 'throttle' as const } };
      emulator.order(throttling);
      const results = await gcp.backend.fetchMany(
        Array.from({ length: 500 }, (_, n) => query(`s${n}`)),
        signal,
      );
      assert.ok(results.every((result) => result instanceof BackendError && result.throttled));
      assert.ok(emulator.calls({ service: 'secretmanager' }).length <= 32);
    });
  });

  describe('finding by a label', () => {
    it('gives the secrets that carry exactly it, page by page', async () => {
      emulator.putSecret('right', 'x', { labels: { team: 'web' } });
      emulator.putSecret('also', 'x', { labels: { other: 'x', team: 'web' } });
      emulator.putSecret('other-value', 'x', { labels: { team: 'db' } });
      emulator.putSecret('empty', 'x', { labels: { team: '' } });
      emulator.putSecret('none', 'x');
      for (let index = 0; index < 1100; index++) emulator.putSecret(`many-${index}`, 'x', { labels: { many: 'yes' } });
      const find = async (key: string, value?: string) => (await gcp.backend.findByTag!({ key, value }, signal)).sort();
      assert.deepEqual(await find('team', 'web'), ['also', 'right']);
      assert.deepEqual(await find('team'), ['also', 'empty', 'other-value', 'right']);
      assert.deepEqual(await find('team', ''), ['empty']);
      assert.deepEqual(await find('No label', 'x'), []);
      assert.deepEqual(await find('team', 'web OR labels.team=db'), []);
      assert.equal((await find('many', 'yes')).length, 1100);
      assert.equal(emulator.calls({ operation: 'AccessSecretVersion' }).length, 0);
    });

    it('is an error of the right kind where it may not be, or can not be', async () => {
      const find = () => gcp.backend.findByTag!({ key: 'team' }, signal);
      emulator.order({ behaviour: { kind: 'error', status: 403, code: 'PERMISSION_DENIED' }, times: 1 });
      await assert.rejects(find(), { code: 'access_denied', message: /the list of secrets with label "team"/ });
      emulator.order({ behaviour: { kind: 'garbage', body: '{"secrets":7}' }, times: 1 });
      await assert.rejects(find(), { code: 'unavailable' });
    });
  });
});
