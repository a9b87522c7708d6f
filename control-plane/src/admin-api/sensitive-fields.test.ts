import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LIFETIME_FIELDS, type VaultType } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { TestDataPlane } from '../fleet/testing/test-data-plane.ts';
import { type Answer, startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

const CANARY = 'canary-token-of-a-backend';
const SECOND = 'canary-second-token-of-it';
const MASK = '********';

/** A backend with a credential of its own, as hcv will have one; no type of this build has any. */
const TEST_TYPE: VaultType = {
  name: 'with-token',
  description: 'for this test',
  fields: [
    { name: 'host', type: 'string', description: 'where' },
    { name: 'token', type: 'string', match: /^canary-/, sensitive: true, description: 'a credential' },
    { name: 'keys', type: 'array', sensitive: true, description: 'more of them' },
    ...LIFETIME_FIELDS,
  ],
  referenceOptions: [],
  versionOf: () => ({}),
};

describe('sensitive members of a vault', () => {
  const types = VAULT_TYPES as Map<string, VaultType>;
  let directory: string;
  let cp: TestControlPlane;
  const answers: string[] = [];
  const options = (more: Record<string, string> = {}) => ({
    dataDir: join(directory, 'data'),
    env: { VAULTPLANE_KEYRING_KEY_FILE: join(directory, 'keys'), ...more },
  });
  const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const answer: Answer = await cp.call(method, path, body, headers);
    answers.push(`${method} ${path}: ${answer.text}`);
    return answer;
  };
  /** What the data planes get. */
  const published = async () => {
    const dataPlane = await TestDataPlane.start({ controlPlane: cp });
    await dataPlane.until(({ snapshot }) => snapshot);
    await dataPlane.stop();
    return dataPlane.snapshot!.vaults.find(({ prefix }) => prefix === 'my-backend')?.config;
  };
  before(async () => {
    types.set(TEST_TYPE.name, TEST_TYPE);
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-sensitive-'));
    writeFileSync(join(directory, 'keys'), randomBytes(32).toString('base64'));
    cp = await startTestControlPlane(options());
  });
  after(async () => {
    await cp?.stop();
    types.delete(TEST_TYPE.name);
    rmSync(directory, { recursive: true, force: true });
  });

  it('are masked in the answer to whoever gives them, and data planes have them', async () => {
    const config = { host: 'a', token: CANARY, keys: [CANARY, SECOND] };
    const made = await call('PUT', '/vaults/my-backend', { name: 'with-token', config });
    assert.equal(made.status, 200, made.text);
    assert.deepEqual(made.json.config, { host: 'a', token: MASK, keys: [MASK] });
    assert.deepEqual(await published(), config);
  });

  it('are masked in every other answer', async () => {
    const { json: vault } = await call('GET', '/vaults/my-backend');
    assert.equal(vault.config.token, MASK);
    await call('GET', `/vaults/${vault.id}`);
    await call('GET', '/vaults');
    assert.equal((await call('GET', '/config')).json.vaults[0].config.token, MASK);
    await call('GET', '/config', undefined, { accept: 'application/yaml' });
    await call('PATCH', '/vaults/my-backend', { description: 'x' });
    await call('PATCH', '/vaults/my-backend', { config: { token: 'wrong-canary-token' } });
    const changed = await call('PATCH', '/vaults/my-backend', { config: { token: SECOND } });
    assert.equal(changed.json.config.token, MASK);
    const { json: list } = await call('GET', '/config/versions');
    const { json: newest } = await call('GET', `/config/versions/${list.data[0].version}`);
    assert.deepEqual(newest.changes[0].fields, [{ field: 'config.token', before: MASK, after: MASK }]);
    await call('GET', `/config/versions/1/diff`);
    await call('GET', '/audit/requests');
    await call('GET', '/tags');
    assert.equal(
      (await call('GET', '/schemas/vaults/with-token')).json.fields[0].config.fields[1].token.encrypted,
      true,
    );
  });

  it('stay as they are where a mask is given back, by any way', async () => {
    const before = await published();
    const { json: position } = await call('GET', '/');
    const { json: vault } = await call('GET', '/vaults/my-backend');
    await call('PUT', '/vaults/my-backend', vault);
    await call('PATCH', '/vaults/my-backend', { config: { token: MASK } });
    const { json: document } = await call('GET', '/config');
    assert.deepEqual((await call('POST', '/config/diff', document)).json, { changes: [] });
    assert.equal((await call('POST', '/config', document)).json.changed, false);
    assert.deepEqual((await call('GET', '/')).json.vaultplane.config, position.vaultplane.config);
    assert.deepEqual(await published(), before);
    // It stands for nothing where there is nothing.
    for (const answer of [
      await call('PUT', '/vaults/another', { name: 'with-token', config: { token: MASK } }),
      await call('POST', '/config', {
        ...document,
        vaults: [{ prefix: 'another', name: 'with-token', config: { token: MASK } }],
      }),
    ]) {
      assert.equal(answer.status, 400);
      assert.match(answer.json.message, /config\.token: the mask of a value/);
    }
  });

  it('come back with a rollback, and a wrong one is not repeated in the error', async () => {
    await call('POST', '/config/versions/1/rollback');
    assert.equal((await published())?.token, CANARY);
    const { status, json } = await call('PATCH', '/vaults/my-backend', { config: { token: `x${CANARY}` } });
    assert.deepEqual([status, json.fields], [400, { config: { token: 'invalid value' } }]);
  });

  it('can neither be kept nor read without their key', async () => {
    await cp.stop();
    await assert.rejects(startTestControlPlane({ dataDir: join(directory, 'data') }), {
      name: 'StartError',
      message:
        /config\.(token|keys) of the vault my-backend is encrypted under key [0-9a-f]+, which keyring_key_file does not hold \(it is not set\)/,
    });
    const bare = await startTestControlPlane();
    const refused = await bare.call('PUT', '/vaults/my-backend', { name: 'with-token', config: { token: CANARY } });
    assert.deepEqual(
      [refused.status, refused.json.fields],
      [400, { config: { token: 'is kept encrypted only, and this control plane has no keyring_key_file' } }],
    );
    await bare.stop();
    // A new key before the old one: what is old is read, what is new is under the new one.
    const old = readFileSync(join(directory, 'keys'), 'utf8');
    writeFileSync(join(directory, 'keys'), `${randomBytes(32).toString('base64')}\n${old}\n`);
    cp = await startTestControlPlane(options());
    assert.equal((await published())?.token, CANARY);
  });

  it('are in no answer, no log line and no file of the database', async () => {
    const logged = JSON.stringify(cp.logged());
    await cp.stop();
    for (const text of [...answers, logged]) {
      for (const canary of [CANARY, SECOND]) assert.ok(!text.includes(canary), text.slice(0, 300));
    }
    const files = readdirSync(join(directory, 'data'), { recursive: true, encoding: 'utf8' });
    assert.ok(files.length > 100);
    for (const file of files.filter((name) => statSync(join(directory, 'data', name)).isFile())) {
      const content = readFileSync(join(directory, 'data', file));
      for (const canary of [CANARY, SECOND]) assert.ok(!content.includes(canary), file);
    }
  });
});
