import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { type ControlPlane, type DataPlane, Deployment } from './deployment.ts';

/** Values that must be found nowhere in what the programs write. */
const CANARY = { foo: 'canary-bar-7f3a', snip: 'canary-snap-91cc', old: 'canary-old-55d0', role: 'canary-role-20ab' };
const READER = { accessKeyId: 'AKIAREADER0000000001', secretAccessKey: 'canary-secret-access-key-4242' };
const ROLE_ARN = 'arn:aws:iam::123456789012:role/vault-reader';

/**
 * The main job, end to end, with the programs as processes: the vaults and references of the seed's examples, regions
 * from every place that they may come from, and the outages that a data plane must outlive.
 *
 * @param databaseEnv the control plane's settings for its database; a test's own cluster certificate may be among them
 */
export function mainJob(database: string, databaseEnv: (deployment: Deployment) => Promise<NodeJS.ProcessEnv>): void {
  describe(`the main job, end to end, database ${database}`, () => {
    const deployment = new Deployment();
    let emulator: Emulator;
    let controlPlane: ControlPlane;
    let dataPlane: DataPlane;
    let cpProcess: Program;
    let dpProcess: Program;

    before(async () => {
      emulator = await startEmulator({
        principals: [
          {
            name: 'reader',
            ...READER,
            policy: [
              { effect: 'allow', actions: ['secretsmanager:*'], resources: ['secret*', '/secret*'] },
              { effect: 'allow', actions: ['sts:AssumeRole'] },
            ],
          },
        ],
        roles: [
          {
            arn: ROLE_ARN,
            trust: { principals: ['123456789012'] },
            policy: [{ effect: 'allow', actions: ['secretsmanager:*'] }],
          },
        ],
      });
      emulator.putSecret('us-east-1', 'secret-name', { foo: CANARY.old, snip: CANARY.snip });
      emulator.putSecret('us-east-1', 'secret-name', { foo: CANARY.foo, snip: CANARY.snip });
      emulator.putSecret('us-east-1', '/secret/key', 'canary-slash-key');
      emulator.putSecret('us-east-1', 'secret/path//aaa', { key: 'canary-path-aaa' });
      emulator.putSecret('us-east-1', 'secret/path//aaa/key', 'never: the first reading wins');
      emulator.putSecret('eu-west-1', 'secret-name', { foo: 'canary-ireland' });
      emulator.putSecret('eu-central-1', 'secret-name', { foo: 'canary-frankfurt' });
      emulator.putSecret('us-east-1', 'only-the-role', { foo: CANARY.role });

      controlPlane = await deployment.planControlPlane('cp', await databaseEnv(deployment));
      cpProcess = await controlPlane.start();
      dataPlane = await deployment.planDataPlane('dp', controlPlane, awsEnv());
      dpProcess = await dataPlane.start();
      await controlPlane.putVault('aws-sm-vault', {
        name: 'aws',
        description: 'Storing secrets in AWS Secrets Manager',
        'config.region': 'us-east-1',
      });
      await dataPlane.caughtUpWith(controlPlane);
    });

    after(async () => {
      await deployment.stop();
      await emulator?.stop();
    });

    function awsEnv(): NodeJS.ProcessEnv {
      return {
        AWS_ACCESS_KEY_ID: READER.accessKeyId,
        AWS_SECRET_ACCESS_KEY: READER.secretAccessKey,
        AWS_ENDPOINT_URL: emulator.url,
      };
    }

    async function resolved(reference: string, from: DataPlane = dataPlane): Promise<string | undefined> {
      const answer = await from.resolve(reference);
      assert.equal(answer.error, undefined, `${reference}: ${JSON.stringify(answer.error)}`);
      return answer.value;
    }

    const examples: Array<[reference: string, value: string]> = [
      ['{vault://aws-sm-vault/secret-name/foo}', CANARY.foo],
      ['{vault://aws-sm-vault/secret-name/snip}', CANARY.snip],
      ['{vault://aws-sm-vault/secret-name/foo#1}', CANARY.foo],
      ['{vault://aws-sm-vault/secret-name/foo#2}', CANARY.old],
      ['{vault://aws-sm-vault/%2Fsecret/key}', 'canary-slash-key'],
      ['{vault://aws-sm-vault/%2Fsecret/key/}', 'canary-slash-key'],
      ['{vault://aws-sm-vault/secret/path/%2Faaa/key}', 'canary-path-aaa'],
      ['{vault://aws-sm-vault/secret-name}', JSON.stringify({ foo: CANARY.foo, snip: CANARY.snip })],
    ];
    for (const [reference, value] of examples) {
      it(`resolves ${reference}`, async () => assert.equal(await resolved(reference), value));
    }

    it('asks AWS once for all keys of a secret, signed with the credentials of its environment', async () => {
      const calls = emulator.calls({ operation: 'GetSecretValue', secret: 'secret-name', region: 'us-east-1' });
      assert.deepEqual([...new Set(calls.map((call) => call.accessKeyId))], [READER.accessKeyId]);
      // Once for AWSCURRENT, once for AWSPREVIOUS.
      assert.equal(calls.length, 2);
    });

    it('answers as the specification says', async () => {
      const reference = '{vault://aws-sm-vault/secret-name/foo#2}';
      const answer = await dataPlane.resolve(reference);
      assert.deepEqual(Object.keys(answer), [
        'reference',
        'value',
        'state',
        'version',
        'vault',
        'fetched_at',
        'expires_at',
        'config_version',
      ]);
      assert.equal(answer.state, 'fresh');
      assert.deepEqual(answer.version?.stages, ['AWSPREVIOUS']);
      assert.equal(answer.vault, 'aws-sm-vault');
      assert.equal(answer.config_version, await controlPlane.version());
    });

    it('names what is not there, and what is no vault', async () => {
      assert.equal((await dataPlane.resolve('{vault://aws-sm-vault/secret-none/foo}')).error?.code, 'not_found');
      assert.equal((await dataPlane.resolve('{vault://aws-sm-vault/secret-name/none}')).error?.code, 'key_not_found');
      assert.equal((await dataPlane.resolve('{vault://no-such-vault/secret-name/foo}')).error?.code, 'unknown_vault');
      assert.equal((await dataPlane.resolve('{vault://aws-sm-vault/only-the-role/foo}')).error?.code, 'access_denied');
    });

    it('resolves two regions by two vaults', async () => {
      await controlPlane.putVault('aws-us', { name: 'aws', 'config.region': 'us-east-1' });
      await controlPlane.putVault('aws-eu', { name: 'aws', 'config.region': 'eu-central-1' });
      await dataPlane.caughtUpWith(controlPlane);
      assert.equal(await resolved('{vault://aws-us/secret-name/foo}'), CANARY.foo);
      assert.equal(await resolved('{vault://aws-eu/secret-name/foo}'), 'canary-frankfurt');
    });

    it('resolves from the environment by a vault of type env', async () => {
      await controlPlane.putVault('my-env', { name: 'env', 'config.prefix': 'APP_' });
      const other = await deployment.planDataPlane('dp-env', controlPlane, {
        APP_DB_PASSWORD: 'canary-env',
        PLAIN_NAME: '{"user":"canary-user"}',
      });
      const process = await other.start();
      await other.caughtUpWith(controlPlane);
      assert.equal(await resolved('{vault://my-env/db-password}', other), 'canary-env');
      assert.equal(await resolved('{vault://env/plain-name/user}', other), 'canary-user');
      assert.deepEqual(await process.stop(), { code: 0, signal: null });
    });

    it('configures the vault aws by KONG_VAULT_AWS_* on the data plane, with a role to assume', async () => {
      const other = await deployment.planDataPlane('dp-settings', controlPlane, {
        ...awsEnv(),
        KONG_VAULT_AWS_REGION: 'us-east-1',
        KONG_VAULT_AWS_ASSUME_ROLE_ARN: ROLE_ARN,
      });
      await other.start();
      assert.equal(await resolved('{vault://aws/only-the-role/foo}', other), CANARY.role);
      const [call] = emulator.calls({
        operation: 'GetSecretValue',
        secret: 'only-the-role',
        principal: '*assumed-role*',
      });
      assert.equal(call?.roleArn, ROLE_ARN);
      assert.equal(call?.roleSession, 'KongVault');
    });

    it('shows the data planes, by the control plane', async () => {
      const { data } = (await controlPlane.get('/clustering/data-planes')) as { data: Array<Record<string, unknown>> };
      assert.ok(data.length >= 2);
      for (const node of data) assert.match(String(node.id), /^[0-9a-f-]{36}$/);
    });

    it('rotates when asked to refresh', async () => {
      emulator.putSecret('us-east-1', 'secret-name', { foo: 'canary-new-bar', snip: CANARY.snip });
      const reference = '{vault://aws-sm-vault/secret-name/foo}';
      assert.equal(await resolved(reference), CANARY.foo);
      assert.equal((await dataPlane.resolve(reference, { refresh: true })).value, 'canary-new-bar');
      assert.equal(await resolved(reference), 'canary-new-bar');
    });

    it('goes on answering when the control plane is killed, what it has not asked for before too', async () => {
      emulator.putSecret('us-east-1', 'secret-late', { foo: 'canary-late' });
      await dataPlane.savedWhatIsOf(controlPlane);
      await cpProcess.kill('SIGKILL');
      await dataPlane.until((status) => !status.control_plane.connected);
      assert.equal(await resolved('{vault://aws-sm-vault/secret-name/foo}'), 'canary-new-bar');
      assert.equal(await resolved('{vault://aws-sm-vault/secret-late/foo}'), 'canary-late');
    });

    it('answers after being killed and started again while the control plane is down', async () => {
      await dpProcess.kill('SIGKILL');
      dpProcess = await dataPlane.start();
      const status = await dataPlane.status();
      assert.equal(status.config.source, 'disk');
      assert.equal(status.control_plane.connected, false);
      assert.equal(await resolved('{vault://aws-sm-vault/secret-name/foo}'), 'canary-new-bar');
      assert.equal(await resolved('{vault://aws-eu/secret-name/foo}'), 'canary-frankfurt');
    });

    it('comes back to a control plane that was killed, with every change that it had acknowledged', async () => {
      cpProcess = await controlPlane.start();
      const vaults = (await controlPlane.get('/vaults')) as { data: Array<{ prefix: string }> };
      assert.deepEqual(vaults.data.map((vault) => vault.prefix).sort(), ['aws-eu', 'aws-sm-vault', 'aws-us', 'my-env']);
      await dataPlane.until((status) => status.control_plane.connected && status.config.source === 'control_plane');
      await fetch(`${controlPlane.adminUrl}/vaults/aws-us`, { method: 'DELETE' });
      await dataPlane.caughtUpWith(controlPlane);
      assert.equal((await dataPlane.resolve('{vault://aws-us/secret-name/foo}')).error?.code, 'unknown_vault');
      assert.equal(await resolved('{vault://aws-sm-vault/secret-name/foo}'), 'canary-new-bar');
    });

    it('takes the default region of a control plane that has KONG_VAULT_AWS_REGION', async () => {
      assert.equal((await cpProcess.stop()).code, 0);
      controlPlane.env.KONG_VAULT_AWS_REGION = 'eu-west-1';
      cpProcess = await controlPlane.start();
      await controlPlane.putVault('no-region', { name: 'aws' });
      await dataPlane.caughtUpWith(controlPlane);
      assert.equal(await resolved('{vault://no-region/secret-name/foo}'), 'canary-ireland');
      assert.equal(await resolved('{vault://aws-sm-vault/secret-name/foo}'), 'canary-new-bar');
    });

    it('stops in order, with status 0', async () => {
      assert.deepEqual(await dpProcess.stop(), { code: 0, signal: null });
      assert.deepEqual(await cpProcess.stop(), { code: 0, signal: null });
    });

    it('has written no value, token or credential anywhere', () => {
      const { token } = dataPlane;
      assert.ok(existsSync(`${deployment.folder}/dp.log`) && existsSync(`${deployment.folder}/cp.log`));
      const tokens = ['dp', 'dp-env', 'dp-settings'].map((name) => `${name}/api-token`);
      assert.deepEqual(deployment.filesWith(['canary-', READER.secretAccessKey]), []);
      assert.deepEqual(deployment.filesWith([token], tokens), []);
      assert.deepEqual(deployment.filesWith([token]), ['dp/api-token'], 'the search itself must find what is there');
    });
  });
}
