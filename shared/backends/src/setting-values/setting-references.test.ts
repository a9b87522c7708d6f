import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { BARE_ENV } from '../testing/open-aws.ts';
import { settingResolver } from './setting-references.ts';

const resolver = (env: NodeJS.ProcessEnv, settings: Record<string, unknown> = {}) =>
  settingResolver({ settings, env, log: silentLog });

describe('settings that are references', () => {
  it('are had from the environment, by the rules of the env vault', async () => {
    const env = { PG_PASSWORD: 'p', SECRET_PG_PASSWORD: 'prefixed', CREDS: '{"user":"u","big":12345678901234567890}' };
    assert.equal(await resolver(env)('{vault://env/pg-password}'), 'p');
    assert.equal(await resolver(env, { vault_env_prefix: 'SECRET_' })('{vault://env/pg-password}'), 'prefixed');
    assert.equal(await resolver(env)('{vault://env/pg-password?prefix=secret-}'), 'prefixed');
    assert.equal(await resolver(env)('{vault://env/creds/user}'), 'u');
    assert.equal(await resolver(env)('{vault://env/creds/big}'), '12345678901234567890');
    await assert.rejects(resolver(env)('{vault://env/nope}'), { code: 'not_found', message: /NOPE is not set/ });
    for (const name of ['__proto__', 'constructor', 'to-string']) {
      await assert.rejects(resolver(env)(`{vault://env/${name}}`), { code: 'not_found' });
    }
  });

  it('are had from AWS, as the settings that are known say', async () => {
    await using emulator = await startEmulator();
    emulator.putSecret('eu-west-1', 'cp-db', { password: 'p' });
    emulator.putSecret('eu-west-1', '/cp/db', 'by path');
    const env = { ...BARE_ENV, ...emulator.environment };
    const settings = { vault_aws_region: 'eu-west-1', ssl_trusted_certificate: ['system'] };
    assert.equal(await resolver(env, settings)('{vault://aws/cp-db/password}'), 'p');
    assert.equal(await resolver(env, settings)('{vault://aws/%2Fcp/db}'), 'by path');
    // Also where there is a secret of the first reading, which has no such key.
    emulator.putSecret('eu-west-1', '/cp', { other: 'x' });
    assert.equal(await resolver(env, settings)('{vault://aws/%2Fcp/db}'), 'by path');
    await assert.rejects(resolver(env, settings)('{vault://aws/%2Fcp/none}'), {
      code: 'key_not_found',
      message: /no member "none".*"\/cp\/none": not found/,
    });
    await assert.rejects(resolver(env)('{vault://aws/cp-db/password}'), {
      code: 'not_found',
      message: /"cp-db": not found .*"cp-db\/password": not found/,
    });
    await assert.rejects(resolver(env, settings)('{vault://aws/cp-db/nope}'), { code: 'key_not_found' });
  });

  it('can name no vault of the database', async () => {
    await assert.rejects(resolver({})('{vault://my-vault/a}'), { code: 'unknown_vault' });
    await assert.rejects(resolver({})('not one'), { code: 'not_a_reference' });
    await assert.rejects(resolver({})('{vault://env/a?region=eu-west-1}'), { code: 'invalid_option' });
  });
});
