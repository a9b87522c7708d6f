import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { postgresMissing } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { CONTROL_PLANE_MAIN } from '../e2e/deployment.ts';
import { type AdminAnswer, CANARY, CredentialStage, PREFIX } from './credential-stage.ts';

const MASK = '********';
const MUST_BE_GIVEN = /must be given again, since a credential is bound to its destination and .* changes/;

describe('an editor who does not know the credential of a vault', { skip: postgresMissing() }, () => {
  let stage: CredentialStage;
  before(async () => {
    stage = await CredentialStage.begin();
    await stage.startControlPlane();
    await stage.dataPlane.start();
  });
  after(() => stage?.stop());
  beforeEach(async () => {
    await stage.putVault();
    assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
  });
  afterEach(async () => {
    // However an attack ended: the data plane asks, and the attacker's server is shown nothing.
    await stage.lookUp();
    assert.ok(!stage.leaked);
  });

  const refuses = ({ status, json }: AdminAnswer, fields = json.fields?.config) => {
    assert.equal(status, 400, JSON.stringify(json));
    assert.match(fields?.token ?? '', MUST_BE_GIVEN, JSON.stringify(json));
    assert.ok(!JSON.stringify(json).includes(CANARY));
  };
  /** Everything that decides who receives the token, each changed by itself. */
  const elsewhere = (): Array<Record<string, unknown>> => [
    { port: stage.evil.port },
    { host: 'evil.example' },
    { protocol: 'https' },
    { namespace: 'of-the-attacker' },
    { ca_cert: '/etc/ssl/of-the-attacker.pem' },
    { kube_auth_path: 'x' },
    { approle_auth_path: 'x' },
    { jwt_auth_path: 'x' },
    { cert_auth_path: 'x' },
    { port: null },
  ];

  it('can not PATCH its destination, with the mask or without it', async () => {
    for (const change of elsewhere()) {
      refuses(await stage.call('PATCH', `/vaults/${PREFIX}`, { config: change }));
      refuses(await stage.call('PATCH', `/vaults/${PREFIX}`, { config: { ...change, token: MASK } }));
    }
  });

  it('can not PUT the mask with another destination, by prefix or by id, as a form or as JSON', async () => {
    const { json: vault } = await stage.call('GET', `/vaults/${PREFIX}`);
    assert.equal(vault.config.token, MASK);
    for (const change of elsewhere()) {
      for (const key of [PREFIX, vault.id]) {
        refuses(await stage.call('PUT', `/vaults/${key}`, { ...vault, config: { ...vault.config, ...change } }));
      }
    }
    const form = {
      name: 'hcv',
      'config.host': '127.0.0.1',
      'config.port': String(stage.evil.port),
      'config.token': MASK,
    };
    await assert.rejects(stage.controlPlane.putVault(PREFIX, form), MUST_BE_GIVEN);
  });

  it('can not have it by a document, under its id, its prefix or another prefix, over the API or by a command', async () => {
    const { json: document } = await stage.call('GET', '/config');
    const [vault] = document.vaults;
    const moved = { ...vault.config, port: stage.evil.port };
    const { id: _, ...nameless } = vault;
    for (const vaults of [
      [{ ...vault, config: moved }],
      [{ ...nameless, config: moved }],
      [{ ...vault, prefix: 'renamed', config: moved }],
    ]) {
      for (const path of ['/config', '/config/diff']) {
        const answer = await stage.call('POST', path, { ...document, vaults });
        refuses(answer, answer.json.fields?.vaults?.[0]?.config);
      }
    }
    const file = join(stage.deployment.folder, 'moved.json');
    writeFileSync(file, JSON.stringify({ ...document, vaults: [{ ...vault, config: moved }] }));
    const command = spawnSync(process.execPath, [CONTROL_PLANE_MAIN, 'config', 'apply', file], {
      env: stage.controlPlane.env,
      encoding: 'utf8',
    });
    assert.equal(command.status, 1);
    assert.match(command.stderr, MUST_BE_GIVEN);
  });

  it('can not have it by deleting the vault and making it again, or by a copy', async () => {
    const { json: vault } = await stage.call('GET', `/vaults/${PREFIX}`);
    const moved = { ...vault, config: { ...vault.config, port: stage.evil.port } };
    assert.equal((await stage.call('DELETE', `/vaults/${PREFIX}`)).status, 204);
    for (const [method, path] of [
      ['POST', '/vaults'],
      ['PUT', `/vaults/${PREFIX}`],
      ['PUT', `/vaults/${vault.id}`],
    ] as const) {
      const { status, json } = await stage.call(method, path, moved);
      assert.equal(status, 400, JSON.stringify(json));
      assert.match(json.fields.config.token, /the mask of a value stands for the one that is there, and there is none/);
    }
    await stage.putVault();
    const { status } = await stage.call('PUT', '/vaults/a-copy', { ...moved, id: undefined, prefix: undefined });
    assert.equal(status, 400);
  });

  it('can not have it by another type of vault', async () => {
    for (const method of ['PATCH', 'PUT']) {
      const config = { service_account: MASK, endpoint_url: `http://127.0.0.1:${stage.evil.port}` };
      const { status, json } = await stage.call(method, `/vaults/${PREFIX}`, { name: 'gcp', config });
      assert.equal(status, 400, JSON.stringify(json));
    }
  });

  it('has the destination of old back with the credential of old after a rollback, never one of them', async () => {
    const version = await stage.controlPlane.version();
    const moved = stage.configOf(stage.evil, { token: 's.of-the-attacker' });
    assert.equal((await stage.call('PATCH', `/vaults/${PREFIX}`, { config: moved })).status, 200);
    await stage.lookUp();
    assert.ok(stage.evil.tokens.includes('s.of-the-attacker'));
    assert.equal((await stage.call('POST', `/config/versions/${version}/rollback`)).status, 200);
    stage.good.tokens.length = 0;
    assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
    assert.ok(stage.good.tokens.includes(CANARY));
  });

  it('may change all else, and whoever knows the credential may move the vault', async () => {
    const kept = await stage.call('PATCH', `/vaults/${PREFIX}`, { description: 'x', config: { ttl: 60, kv: 'v1' } });
    assert.deepEqual([kept.status, kept.json.config.token], [200, MASK]);
    // The default, written out, is no other destination.
    const { status } = await stage.call('PATCH', `/vaults/${PREFIX}`, {
      config: { jwt_auth_path: 'jwt', token: MASK },
    });
    assert.equal(status, 200);
    const good = stage.configOf(stage.good, { token: 's.another' });
    assert.equal((await stage.call('PATCH', `/vaults/${PREFIX}`, { config: { ...good, namespace: 'n' } })).status, 200);
    // What is a reference is no secret: the data planes' policy says where what it names may go.
    const reference = '{vault://env/HCV_TOKEN}';
    for (const config of [{ token: reference }, { host: 'moved.example' }]) {
      const { json } = await stage.call('PATCH', `/vaults/${PREFIX}`, { config });
      assert.equal(json.config.token, reference, JSON.stringify(json));
    }
    assert.equal((await stage.call('GET', `/vaults/${PREFIX}`)).json.config.host, 'moved.example');
  });

  it('finds it in no answer, no dump and no log', () => {
    const dump = execFileSync(process.execPath, [CONTROL_PLANE_MAIN, 'config', 'dump'], {
      env: stage.controlPlane.env,
    });
    assert.ok(!dump.includes(CANARY));
    assert.deepEqual(stage.deployment.filesWith([CANARY]), []);
  });
});
