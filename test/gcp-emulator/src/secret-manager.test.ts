import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { type GcpEmulator, startGcpEmulator } from './emulator.ts';
import { keyClient, secretManagerClient, tokenClient, userClient } from './google-clients.ts';

/** What Google's client throws over REST: the HTTP status as its code, the body as its message. */
const refusal = (code: number, status: string, text = ''): object => ({
  code,
  message: new RegExp(`${text}[^]*"status": "${status}"`),
});
const ALREADY_EXISTS = refusal(409, 'ALREADY_EXISTS');
const INVALID_ARGUMENT = refusal(400, 'INVALID_ARGUMENT');
const NOT_FOUND = refusal(404, 'NOT_FOUND');
const PARENT = 'projects/emulator-project';

describe("Secret Manager, as Google's own client sees it", () => {
  let emulator: GcpEmulator;
  let client: SecretManagerServiceClient;
  before(async () => {
    emulator = await startGcpEmulator();
    client = secretManagerClient(emulator);
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.clearSecrets();
    emulator.resetCalls();
  });
  after(async () => {
    await client.close();
    await emulator.stop();
  });
  const text = async (name: string, as = client) => {
    const [{ payload }] = await as.accessSecretVersion({ name: `${PARENT}/secrets/${name}` });
    return Buffer.from(payload!.data as Uint8Array).toString('utf8');
  };
  const create = (secretId: string, labels: Record<string, string> = {}) =>
    client.createSecret({ parent: PARENT, secretId, secret: { replication: { automatic: {} }, labels } });

  it('makes a secret, adds versions to it and gives the latest or any of them, with its checksum', async () => {
    const [made] = await create('db', { team: 'web' });
    assert.match(made.name!, /^projects\/\d{12}\/secrets\/db$/);
    for (const data of ['one', '123456789']) {
      const [added] = await client.addSecretVersion({ parent: made.name!, payload: { data: Buffer.from(data) } });
      assert.equal(added.state, 'ENABLED');
    }
    const [latest] = await client.accessSecretVersion({ name: `${made.name}/versions/latest` });
    assert.equal(latest.name, `${made.name}/versions/2`);
    assert.equal(Buffer.from(latest.payload!.data as Uint8Array).toString(), '123456789');
    // The check value of CRC-32C: RFC 3720 and every catalogue of CRCs.
    assert.equal(String(latest.payload!.dataCrc32c), String(0xe3069283));
    assert.equal(await text('db/versions/1'), 'one');
    const [described] = await client.getSecret({ name: made.name! });
    assert.deepEqual(described.labels, { team: 'web' });
    await assert.rejects(create('db'), ALREADY_EXISTS);
  });

  it('refuses a payload whose checksum is wrong, and one that is too large', async () => {
    await create('db');
    const parent = `${PARENT}/secrets/db`;
    const add = (payload: object) => client.addSecretVersion({ parent, payload });
    await assert.rejects(add({ data: Buffer.from('one'), dataCrc32c: 1 }), INVALID_ARGUMENT);
    await assert.rejects(add({ data: Buffer.alloc(65_537) }), INVALID_ARGUMENT);
    await assert.rejects(text('db/versions/latest'), NOT_FOUND);
  });

  it('gives no value of a version that is disabled or destroyed, and of one that is enabled again', async () => {
    emulator.putSecret('db', 'one');
    const name = `${PARENT}/secrets/db/versions/1`;
    const [disabled] = await client.disableSecretVersion({ name });
    assert.equal(disabled.state, 'DISABLED');
    await assert.rejects(
      text('db/versions/latest'),
      refusal(400, 'FAILED_PRECONDITION', 'db/versions/1\\] is in DISABLED state'),
    );
    await client.enableSecretVersion({ name });
    assert.equal(await text('db/versions/1'), 'one');
    await client.destroySecretVersion({ name });
    await assert.rejects(text('db/versions/1'), refusal(400, 'FAILED_PRECONDITION', 'in DESTROYED state'));
    await assert.rejects(client.enableSecretVersion({ name }), refusal(400, 'FAILED_PRECONDITION'));
  });

  it('tells a missing secret and a missing version apart in words, and a deleted secret is missing', async () => {
    emulator.putSecret('db', 'one');
    await assert.rejects(text('nope/versions/latest'), refusal(404, 'NOT_FOUND', 'not found or has no versions'));
    await assert.rejects(text('db/versions/7'), refusal(404, 'NOT_FOUND', 'versions/7\\] not found'));
    await client.deleteSecret({ name: `${PARENT}/secrets/db` });
    await assert.rejects(text('db/versions/1'), NOT_FOUND);
  });

  it('lists secrets by label, page by page, and versions', async () => {
    for (let index = 0; index < 5; index++) {
      emulator.putSecret(`s${index}`, 'x', { labels: index % 2 === 0 ? { team: 'web' } : {} });
    }
    emulator.putSecret('s0', 'y');
    const names = async (filter: string) => {
      const [secrets] = await client.listSecrets({ parent: PARENT, filter, pageSize: 2 }, { autoPaginate: true });
      return secrets.map(({ name }) => name!.split('/').at(-1));
    };
    assert.deepEqual(await names(''), ['s0', 's1', 's2', 's3', 's4']);
    assert.deepEqual(await names('labels.team=web'), ['s0', 's2', 's4']);
    assert.deepEqual(await names('labels.team:*'), ['s0', 's2', 's4']);
    assert.deepEqual(await names('labels.team=db'), []);
    await assert.rejects(names('nonsense'), INVALID_ARGUMENT);
    const [versions] = await client.listSecretVersions({ parent: `${PARENT}/secrets/s0` });
    assert.deepEqual(
      versions.map(({ name }) => name!.split('/').at(-1)),
      ['2', '1'],
    );
  });

  it('gives each principal what it was granted, by project, by pattern or by the policy of one secret', async () => {
    const email = 'app@emulator-project.iam.gserviceaccount.com';
    emulator.addPrincipal({ email, grants: [{ role: 'roles/secretmanager.secretAccessor', secrets: ['app-*'] }] });
    emulator.putSecret('app-db', 'one');
    emulator.putSecret('db', 'two');
    const app = secretManagerClient(emulator, tokenClient(emulator.issueToken(email)));
    assert.equal(await text('app-db/versions/latest', app), 'one');
    const denied = refusal(403, 'PERMISSION_DENIED', "'secretmanager.versions.access' denied for resource");
    await assert.rejects(text('db/versions/latest', app), denied);
    await assert.rejects(text('nope/versions/latest', app), denied);
    await assert.rejects(app.getSecret({ name: `${PARENT}/secrets/app-db` }), refusal(403, 'PERMISSION_DENIED'));
    const policy = { bindings: [{ role: 'roles/secretmanager.secretAccessor', members: [`serviceAccount:${email}`] }] };
    await client.setIamPolicy({ resource: `${PARENT}/secrets/db`, policy });
    assert.equal(await text('db/versions/latest', app), 'two');
    await app.close();
  });

  it('takes what a service account signs itself, and a token of a person who has logged in', async () => {
    emulator.putSecret('db', 'one');
    for (const auth of [keyClient(emulator), userClient(emulator)]) {
      const other = secretManagerClient(emulator, auth);
      assert.equal(await text('db/versions/latest', other), 'one');
      await other.close();
    }
    const forged = emulator.createKey();
    emulator.deleteKey(forged.private_key_id);
    const refused = secretManagerClient(emulator, keyClient(emulator, forged));
    await assert.rejects(text('db/versions/latest', refused), /invalid authentication credentials/);
    await refused.close();
  });

  it('says no in the form of Google: code, status, message and the reason for programs', async () => {
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${emulator.url}/v1/${PARENT}/secrets/${path}`, { headers });
      const { error } = (await answer.json()) as {
        error: Record<string, unknown> & { details?: { reason: string }[] };
      };
      return [answer.status, error.code, error.status, error.details?.[0]?.reason];
    };
    const authorization = `Bearer ${emulator.issueToken()}`;
    assert.deepEqual(await ask('db/versions/latest:access'), [401, 401, 'UNAUTHENTICATED', 'CREDENTIALS_MISSING']);
    assert.deepEqual(await ask('db/versions/latest:access', { authorization: 'Bearer x' }), [
      401,
      401,
      'UNAUTHENTICATED',
      'ACCESS_TOKEN_TYPE_UNSUPPORTED',
    ]);
    assert.deepEqual(await ask('db', { authorization }), [404, 404, 'NOT_FOUND', undefined]);
    emulator.order({ behaviour: { kind: 'throttle' } });
    const throttled = [429, 429, 'RESOURCE_EXHAUSTED', 'RATE_LIMIT_EXCEEDED'];
    assert.deepEqual(await ask('db', { authorization }), throttled);
  });

  it('changes what is on its way when ordered to: a wrong checksum', async () => {
    emulator.putSecret('db', 'one');
    const behaviour = { kind: 'alter' as const, pattern: '("dataCrc32c": ")\\d+', replacement: '$10' };
    const order = emulator.order({ match: { operation: 'AccessSecretVersion', secret: 'db' }, behaviour, times: 1 });
    const [{ payload }] = await client.accessSecretVersion({ name: `${PARENT}/secrets/db/versions/latest` });
    assert.equal(String(payload!.dataCrc32c), '0');
    assert.equal(order.used, 1);
  });
});
