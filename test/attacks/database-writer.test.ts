import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { postgresMissing } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { CONTROL_PLANE_MAIN } from '../e2e/deployment.ts';
import { CANARY, CredentialStage, PREFIX, REFERENCE } from './credential-stage.ts';

interface Withheld {
  prefix: string;
  reason: string;
}

describe('somebody who can write to the control plane’s database', { skip: postgresMissing() }, () => {
  let stage: CredentialStage;
  /** A vault that nobody touches. */
  const OTHER = 'other-vault';
  before(async () => {
    stage = await CredentialStage.begin();
    await stage.startControlPlane();
    await stage.dataPlane.start();
    await stage.putVault(stage.configOf(stage.good, { mount: 'secret', ttl: 60 }), OTHER);
  });
  after(() => stage?.stop());
  beforeEach(async () => {
    // Whoever knows the credential makes good whatever was done before.
    await stage.call('DELETE', '/vaults/theirs');
    await stage.putVault();
    assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
    assert.deepEqual(await withheld(), []);
  });

  let asked = 0;
  const withheld = async () => {
    const answer = await fetch(`${stage.controlPlane.statusUrl}/status`);
    return ((await answer.json()) as { withheld_vaults: Withheld[] }).withheld_vaults;
  };
  /** The vault is told of, and has sent nothing to the attacker; all else goes on. */
  const isWithheld = async (prefix: string, reason: RegExp, expected = [undefined, 'unavailable']) => {
    // One that nobody has asked for yet: what is held is served, as while any vault is away.
    const { value, error } = await stage.lookUp(`{vault://${prefix}/never-asked-${++asked}/password}`);
    assert.deepEqual([value, error?.code], expected);
    const found = (await withheld()).find((vault) => vault.prefix === prefix);
    assert.match(found?.reason ?? 'nothing is withheld', reason);
    assert.equal((await stage.lookUp(`{vault://${OTHER}/db/password}`)).value, `of ${stage.good.port}`);
    const check = spawnSync(process.execPath, [CONTROL_PLANE_MAIN, 'check'], {
      env: stage.controlPlane.env,
      encoding: 'utf8',
    });
    assert.equal(check.status, 1);
    assert.match(check.stdout, new RegExp(`FAILED  credentials of vault ${prefix}: ${reason.source}`));
    assert.ok(!stage.leaked);
  };
  const CHANGED = /config\.token was not encrypted for this vault and its destination/;
  const setConfig = (change: Record<string, unknown>, prefix = PREFIX) =>
    stage.writeDatabase('update vaults set config = config || $2::jsonb where prefix = $1', [
      prefix,
      JSON.stringify(change),
    ]);
  const sealedToken = async (prefix = PREFIX) =>
    (
      await stage.writeDatabase<{ token: object }>(`select config -> 'token' as token from vaults where prefix = $1`, [
        prefix,
      ])
    )[0]!.token;

  it('can not have the credential sent elsewhere by changing the row', async () => {
    for (const change of [
      { port: stage.evil.port },
      { namespace: 'of-the-attacker' },
      { ca_cert: '-----BEGIN CERTIFICATE-----' },
    ]) {
      await setConfig(change);
      const control = await stage.restartControlPlane();
      await isWithheld(PREFIX, CHANGED);
      assert.match(control.output, /credentials of vaults can not be decrypted/);
      // What is there is not lost by a change of something else, which needs the credential again.
      const { status, json } = await stage.call('PATCH', `/vaults/${PREFIX}`, { description: 'x' });
      assert.equal(status, 400, JSON.stringify(json));
      assert.match(json.fields.config.token, /must be given again: was not encrypted for this vault/);
      // A document that has the vault as it was shown changes nothing of it.
      const { json: document } = await stage.call('GET', '/config');
      const applied = await stage.call('POST', '/config', document);
      assert.deepEqual([applied.status, applied.json.changed], [201, false], JSON.stringify(applied.json));
      await stage.putVault();
      assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
    }
  });

  it('can not do so by a version of the log, under the eyes of a control plane that runs', async () => {
    await stage.writeDatabase(
      `with state as (update config_state set version = version + 1 returning version),
         made as (insert into config_versions select version, now(), 'nobody', 'nothing' from state returning version),
         moved as (update vaults set config = config || $2::jsonb where prefix = $1 returning *)
       insert into config_changes (version, vault_id, before, after)
       select version, moved.id, null, to_jsonb(moved) from made, moved`,
      [PREFIX, JSON.stringify({ port: stage.evil.port })],
    );
    await stage.writeDatabase("notify vaultplane_config, 'of somebody else'");
    await stage.dataPlane.until(async () => (await withheld()).length > 0);
    await isWithheld(PREFIX, CHANGED);
  });

  it('can not open it in a vault of their own, nor under another name or id', async () => {
    await stage.putVault(stage.configOf(stage.evil, { token: 's.of-the-attacker' }), 'theirs');
    await setConfig({ token: await sealedToken() }, 'theirs');
    await stage.restartControlPlane();
    // It goes on with the attacker's own token.
    await isWithheld('theirs', CHANGED, [`of ${stage.evil.port}`, undefined]);
    // The vault that it was copied from is as good as before.
    assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
    await stage.call('DELETE', '/vaults/theirs');
    await stage.writeDatabase(
      `update vaults set config = (config - 'token') || jsonb_build_object('jwt_token', config -> 'token')
       where prefix = $1`,
      [PREFIX],
    );
    await stage.restartControlPlane();
    await isWithheld(PREFIX, /config\.jwt_token was not encrypted for this vault/);
  });

  it('can not do so by swapping what versions have, for an editor to go back to', async () => {
    const version = await stage.controlPlane.version();
    const moved = stage.configOf(stage.evil, { token: 's.of-the-attacker' });
    assert.equal((await stage.call('PATCH', `/vaults/${PREFIX}`, { config: moved })).status, 200);
    await stage.writeDatabase(
      `update config_changes set before = jsonb_set(after, '{config,token}', before #> '{config,token}')
       where version = $1`,
      [version + 1],
    );
    for (const path of [`/config/versions/${version}`, `/config/versions/${version}/diff`]) {
      assert.equal((await stage.call('GET', path)).status, 200, path);
    }
    const { status, json } = await stage.call('POST', `/config/versions/${version}/rollback`);
    assert.equal(status, 400, JSON.stringify(json));
    assert.match(json.fields.config.token, /must be given again: was not encrypted for this vault and its destination/);
    await stage.lookUp();
    assert.ok(!stage.leaked);
  });

  it('can not use what a control plane of 0.1.0 encrypted, which bound no destination', async () => {
    const [vault] = await stage.writeDatabase<{ id: string }>('select id from vaults where prefix = $1', [PREFIX]);
    const sealed = Keyring.read(stage.keyring).seal(JSON.stringify(CANARY), `vault ${vault!.id} config.token`);
    const change = { port: stage.evil.port, token: { sealed } };
    await assert.rejects(setConfig(change), /vaults_credentials_bound/);
    await stage.writeDatabase('alter table vaults drop constraint vaults_credentials_bound');
    await setConfig(change);
    await stage.restartControlPlane();
    await isWithheld(PREFIX, /config\.token is bound to no destination/);
  });

  it('can not stop the control plane, or other vaults, with a row that is no credential at all', async () => {
    for (const sealed of [5, {}, { key: [], data: {} }, { key: 'a'.repeat(1000), data: 'x' }]) {
      await setConfig({ token: { sealed, binds: 'destination' } });
      await stage.restartControlPlane();
      const reason = /config\.token is encrypted under key .*, which keyring_key_file does not hold/;
      // The data plane goes on with the credential that it has, for the destination that is as it was.
      await isWithheld(PREFIX, reason, [`of ${stage.good.port}`, undefined]);
    }
  });

  it('an operator who loses the key loses nothing: data planes go on, and the key brings it all back', async () => {
    const keys = readFileSync(stage.keyring);
    writeFileSync(stage.keyring, randomBytes(32).toString('base64'));
    await stage.restartControlPlane();
    await stage.dataPlane.until(({ control_plane }) => control_plane.connected);
    assert.equal((await withheld()).length, 2);
    assert.match(
      (await withheld())[0]!.reason,
      /config\.token is encrypted under key [0-9a-f]{16}, which keyring_key_file does/,
    );
    // A change of something else tells the data plane of the vault as the control plane has it.
    assert.equal((await stage.call('PUT', '/vaults/an-env', { name: 'env' })).status, 200);
    assert.equal((await stage.lookUp(`{vault://${PREFIX}/db/password?ttl=5}`)).value, `of ${stage.good.port}`);
    assert.equal((await stage.lookUp(REFERENCE)).value, `of ${stage.good.port}`);

    writeFileSync(stage.keyring, keys);
    await stage.restartControlPlane();
    assert.deepEqual(await withheld(), []);
    assert.equal((await stage.lookUp()).value, `of ${stage.good.port}`);
    // Without any, the start says what is needed.
    const { VAULTPLANE_KEYRING_KEY_FILE: _, ...env } = stage.controlPlane.env;
    const without = spawnSync(process.execPath, [CONTROL_PLANE_MAIN, 'start'], {
      env: {
        ...env,
        VAULTPLANE_DATA_DIR: `${stage.deployment.folder}/cp-without`,
        VAULTPLANE_ADMIN_LISTEN: '127.0.0.1:0',
        VAULTPLANE_CLUSTER_LISTEN: '127.0.0.1:0',
        VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      },
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.notEqual(without.status, 0);
    assert.match(
      without.stdout + without.stderr,
      /is encrypted under key [0-9a-f]{16}, which keyring_key_file does not hold \(it is not set\)/,
    );
  });
});
