import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { OWN } from '../backend.ts';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';
import { type OpenedHcv, openHcv } from '../testing/open-hcv.ts';

/** Comes back when it is so; fails when it is not for half a minute. */
async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it did not come to be: ${what}`);
    await pause(20);
  }
}

describe('the token of a vault of a real OpenBao', { skip: noOpenBao() ?? false }, () => {
  let server: OpenBao;

  before(async () => {
    server = await OpenBao.start();
    await server.policy('read', ['secret/data/*']);
    await server.putSecret('hello', { foo: 'bar' });
    await server.enable('approle');
  });
  after(() => server?.stop());

  async function roleOf(name: string, settings: Record<string, unknown>): Promise<VaultConfig> {
    await server.role(name, { token_policies: 'read', ...settings });
    const secretId = await server.secretId(name);
    return { auth_method: 'approle', approle_role_id: `${name}-id`, approle_secret_id: secretId };
  }

  const readMany = (hcv: OpenedHcv, count: number) =>
    Promise.all(Array.from({ length: count }, () => hcv.read('hello')));

  it('is had by one login for any number of lookups', async () => {
    await using hcv = await openHcv(server, await roleOf('shared', {}));
    await readMany(hcv, 100);
    assert.deepEqual([hcv.count('login'), hcv.count('read')], [1, 100]);
  });

  it('is shared by all vaults that show the same, and by no vault that shows something else', async () => {
    const config = await roleOf('vaults', {});
    await using hcv = await openHcv(server, config);
    await hcv.read('hello');
    const { signal } = new AbortController();
    const defaults = { ...server.config, approle_auth_path: 'approle', kv: 'v2' };
    for (const mount of ['secret', 'cubbyhole']) {
      const same = await hcv.backends.open('hcv', { ...defaults, ...config, mount, ttl: 5 }, OWN);
      await same.fetch({ path: 'hello', version: {} }, signal).catch(() => {});
    }
    const login = hcv.count('login');
    const other = await hcv.backends.open(
      'hcv',
      {
        ...defaults,
        ...config,
        mount: 'secret',
        approle_secret_id: 'other',
      },
      OWN,
    );
    await assert.rejects(other.fetch({ path: 'hello', version: {} }, signal), { code: 'unavailable' });
    assert.equal(hcv.count('login'), login + 1);
  });

  it('costs one login and one more try where it was revoked, however many lookups find out', async () => {
    await using hcv = await openHcv(server, await roleOf('revoked', {}));
    await hcv.read('hello');
    await server.revokeLogins('approle');
    await readMany(hcv, 30);
    assert.equal(hcv.count('login'), 2);
    assert.ok(hcv.count('read') <= 61, `${hcv.count('read')} reads`);
    assert.equal(hcv.logged.filter((line) => line.includes('logging in anew')).length, 1);
  });

  it('that may not look at itself is had anew, too', async () => {
    await using hcv = await openHcv(server, await roleOf('blind', { token_no_default_policy: true }));
    await hcv.read('hello');
    await server.revokeLogins('approle');
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
    assert.equal(hcv.count('login'), 2);
  });

  it('is renewed before it ends, for as long as the server lets it live, and then had by another login', async () => {
    await using hcv = await openHcv(server, await roleOf('short', { token_ttl: '2s', token_max_ttl: '4s' }));
    await hcv.read('hello');
    // Nobody asks for anything meanwhile: what is counted are calls of the keeper's own.
    await until('a second login', () => hcv.count('login') === 2);
    assert.ok(hcv.count('renew') >= 1, `${hcv.count('renew')} renewals`);
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
  });

  it('that is not renewable is had by another login before it ends', async () => {
    await using hcv = await openHcv(server, await roleOf('batch', { token_type: 'batch', token_ttl: '2s' }));
    await hcv.read('hello');
    await until('a second login', () => hcv.count('login') === 2);
    assert.equal(hcv.count('renew'), 0);
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
  });

  it('of the configuration is renewed, and where that is over it is said before it ends', async () => {
    const token = await server.token({ policies: ['read'], ttl: '2s', explicit_max_ttl: '3s' });
    await using hcv = await openHcv(server, { token });
    await hcv.read('hello');
    await until('a warning', () => hcv.logged.some((line) => line.includes('can not be renewed')));
    assert.ok(hcv.count('renew') >= 1);
    assert.equal(hcv.count('login'), 0);
    await until('its end', () =>
      hcv.read('hello').then(
        () => false,
        () => true,
      ),
    );
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', message: /has ended or was revoked/ });
  });

  it('with a lease of a year is renewed when that is due, and not hundreds of times a second', async () => {
    await server.api('POST', 'sys/auth/approle/tune', { max_lease_ttl: '8760h' });
    const config = await roleOf('year', { token_ttl: '8760h', token_max_ttl: '8760h' });
    await using hcv = await openHcv(server, config);
    const begun = performance.now();
    for (let read = 0; read < 20 || performance.now() - begun < 500; read++) await hcv.read('hello');
    assert.deepEqual([hcv.count('login'), hcv.count('renew'), hcv.count('lookup')], [1, 0, 0]);
  });

  it('lasts through a time in which the server is sealed', async () => {
    await using sealed = await OpenBao.start();
    await sealed.putSecret('hello', { foo: 'bar' });
    const token = await sealed.token({ policies: ['root'], ttl: '30s' });
    await using hcv = await openHcv(sealed, { token });
    await hcv.read('hello');
    await sealed.seal();
    await assert.rejects(hcv.read('hello'), { code: 'unavailable', message: /it is sealed, HTTP 503/ });
    await sealed.unseal();
    await until('an answer', () =>
      hcv.read('hello').then(
        () => true,
        () => false,
      ),
    );
  });

  it('stands in no error, no log line and nothing that is printed', async () => {
    const config = await roleOf('canary', { token_ttl: '2s', token_max_ttl: '3s' });
    await using hcv = await openHcv(server, config);
    await hcv.read('hello');
    const printed: string[] = [];
    const keep = (error: Error) => printed.push(inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error));
    await hcv.read('nothing').catch(keep);
    await until('a second login', () => hcv.count('login') === 2);
    await server.api('POST', 'auth/approle/role/canary/secret-id/destroy', { secret_id: config.approle_secret_id });
    await server.revokeLogins('approle');
    await hcv.read('hello').catch(keep);
    assert.equal(printed.length, 4);
    printed.push(...hcv.logged, inspect(hcv.backend, { depth: 9, showHidden: true }), JSON.stringify(hcv.backend));
    for (const text of printed) {
      assert.doesNotMatch(text, /\b(s|hvs)\.[A-Za-z0-9]{20,}/);
      for (const secret of [config.approle_secret_id as string, server.rootToken]) assert.ok(!text.includes(secret));
    }
  });
});
