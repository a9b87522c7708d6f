import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { pushedLookup } from '@vaultplane/model/upstream-policy/guard.ts';
import { DEFAULT_POLICY, UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import { parsePolicy } from '@vaultplane/model/upstream-policy/policy-form.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { suggestedPolicy } from '@vaultplane/model/upstream-policy/testing/suggested-policy.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { OWN } from './backend.ts';
import { Backends } from './backends.ts';
import { noOpenBao } from './testing/open-bao.ts';
import { ProvisionedBao } from './testing/provisioned-bao.ts';

const PUSHED = { origin: 'pushed' } as const;
const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), 'vaultplane-pushed-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Backends under a policy that a test may change. */
function open(env: NodeJS.ProcessEnv = {}) {
  const held = { policy: DEFAULT_POLICY };
  const backends = new Backends({
    env,
    log: silentLog,
    trustedCertificates: ['system'],
    deadlines: { connect: 20_000, total: 60_000 },
    counts: { calls: 0, errors: 0, throttled: 0 },
    upstreamPolicy: () => held.policy,
  });
  return { backends, held };
}

const complete = (type: string, config: VaultConfig) => withDefaults(VAULT_TYPES.get(type)!, config);

describe('a pushed vault', () => {
  it('does not ride on what an own vault of the same configuration has', { skip: noOpenBao() ?? false }, async (t) => {
    await using bao = await ProvisionedBao.start(join(folder, 'secret-id'));
    await bao.put('db', { password: 'one' });
    const { backends, held } = open();
    t.after(() => backends.stop());
    const config = complete('hcv', {
      ...bao.server.config,
      ...{ kv: 'v2', auth_method: 'approle', approle_role_id: 'dp-id', approle_secret_id_file: bao.secretIdFile },
    });
    const own = await backends.open('hcv', config, OWN);
    assert.match((await own.fetch({ path: 'db', version: {} }, signal)).value.reveal(), /one/);
    await assert.rejects(backends.open('hcv', config, PUSHED), PolicyRefusal);
    await assert.rejects(backends.caller('hcv', config, PUSHED), PolicyRefusal);

    held.policy = suggestedPolicy('hcv', config);
    const pushed = await backends.open('hcv', config, PUSHED);
    assert.match((await pushed.fetch({ path: 'db', version: {} }, signal)).value.reveal(), /one/);
    // It is open, and logged in: the next call leaves by the policy as it is then.
    held.policy = DEFAULT_POLICY;
    await assert.rejects(pushed.fetch({ path: 'db', version: {} }, signal), PolicyRefusal);
    assert.match((await own.fetch({ path: 'db', version: {} }, signal)).value.reveal(), /one/);
  });

  it('assumes no role that an own vault has assumed, where the policy has other roles', async (t) => {
    await using emulator = await startEmulator();
    const everything = [{ effect: 'allow' as const, actions: ['*'] }];
    const role = emulator.addRole({ name: 'app', trust: { principals: ['123456789012'] }, policy: everything });
    emulator.putSecret('us-east-1', 'db', 'one');
    const { backends, held } = open({ ...emulator.environment, AWS_EC2_METADATA_DISABLED: 'true', HOME: folder });
    t.after(() => backends.stop());
    const config = complete('aws', { region: 'us-east-1', assume_role_arn: role });
    const version = { stage: 'AWSCURRENT' };
    const own = await backends.open('aws', config, OWN);
    assert.equal((await own.fetch({ path: 'db', version }, signal)).value.reveal(), 'one');
    const pushed = await backends.open('aws', config, PUSHED);
    assert.equal((await pushed.fetch({ path: 'db', version }, signal)).value.reveal(), 'one');
    held.policy = new UpstreamPolicy(
      parsePolicy(JSON.stringify({ roles: ['arn:aws:iam::123456789012:role/other'] }), { envPrefix: '' }),
    );
    await assert.rejects(backends.open('aws', config, PUSHED), PolicyRefusal);
    const other = { ...config, role_session_name: 'another' };
    await assert.rejects(backends.open('aws', other, PUSHED), PolicyRefusal);
  });

  it('has the endpoint of the machine’s own environment or profile, which needs no grant', async (t) => {
    await using emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'db', 'one');
    const { AWS_ENDPOINT_URL: url, ...rest } = emulator.environment;
    // Neither loopback by its text nor AWS's own.
    const elsewhere = String(url).replace('127.0.0.1', '0.0.0.0');
    writeFileSync(join(folder, 'config'), `[default]\nendpoint_url = ${elsewhere}\n`);
    const without = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('AWS_ENDPOINT_URL')));
    for (const env of [
      { ...without, AWS_ENDPOINT_URL: elsewhere },
      { ...without, AWS_CONFIG_FILE: join(folder, 'config') },
    ]) {
      const { backends } = open({ ...env, AWS_EC2_METADATA_DISABLED: 'true', HOME: folder });
      t.after(() => backends.stop());
      const backend = await backends.open('aws', complete('aws', { region: 'us-east-1' }), PUSHED);
      const fetched = await backend.fetch({ path: 'db', version: { stage: 'AWSCURRENT' } }, signal);
      assert.equal(fetched.value.reveal(), 'one');
      const config = complete('aws', { region: 'us-east-1', endpoint_url: elsewhere });
      await assert.rejects(backends.open('aws', config, PUSHED), PolicyRefusal);
    }
  });

  for (const [name, path] of [
    ['a pipe', join(folder, 'pipe')],
    ['a device', '/dev/zero'],
    ['a directory', folder],
  ] as const) {
    it(`reads no ca_cert that is ${name}`, async (t) => {
      if (name === 'a pipe') execFileSync('mkfifo', [path]);
      const { backends } = open();
      t.after(() => backends.stop());
      const config = complete('hcv', { protocol: 'https', host: '127.0.0.1', port: 9, token: 't', ca_cert: path });
      const backend = await backends.open('hcv', config, PUSHED);
      await assert.rejects(
        backend.fetch({ path: 'db', version: {} }, signal),
        /ca_cert: .* can't be read.*not a regular file/,
      );
    });
  }

  it('is led to no metadata address by a name, nor by a number that the resolver reads', async () => {
    for (const host of ['2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.254.169.254']) {
      for (const all of [false, true]) {
        const error = await new Promise((resolve) => pushedLookup(host, { all }, (refused) => resolve(refused)));
        assert.ok(error instanceof PolicyRefusal, host);
      }
    }
    const found = await new Promise((resolve) => pushedLookup('localhost', {}, (_, address) => resolve(address)));
    assert.match(String(found), /^(127\.|::1$)/);
  });
});
