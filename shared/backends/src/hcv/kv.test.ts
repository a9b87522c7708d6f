import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { parseReference } from '@vaultplane/model/references/reference.ts';
import { addressOf } from '@vaultplane/model/vaults/address.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';
import { type OpenedHcv, openHcv } from '../testing/open-hcv.ts';

describe('secrets of key/value engines of a real OpenBao', { skip: noOpenBao() ?? false }, () => {
  let server: OpenBao;
  let hcv: OpenedHcv;
  const root = () => ({ token: server.rootToken });

  before(async () => {
    server = await OpenBao.start();
    hcv = await openHcv(server, root());
  });
  after(async () => {
    await hcv?.[Symbol.asyncDispose]();
    await server?.stop();
  });

  it('of v2 are the latest version, with its number and time', async () => {
    await server.putSecret('hello', { foo: 'one' });
    await server.putSecret('hello', { foo: 'two', 'ü/"': '\u0001' });
    const secret = await hcv.fetch('hello');
    assert.deepEqual(JSON.parse(secret.value.reveal()), { foo: 'two', 'ü/"': '\u0001' });
    assert.equal(secret.value.pick({ key: 'foo' }), 'two');
    assert.deepEqual(secret.version, { id: '2', stages: [] });
    assert.ok(Math.abs(secret.createdAt! - Date.now()) < 3_600_000);
    assert.equal(secret.name, 'hello');
    assert.equal((await hcv.fetch('hello', '1')).value.pick({ key: 'foo' }), 'one');
    assert.deepEqual((await hcv.fetch('hello', '1')).version, { id: '1', stages: [] });
  });

  it('that are deleted, destroyed or were never there are not_found, and say which', async () => {
    for (const value of ['one', 'two', 'three']) await server.putSecret('gone', { value });
    await server.api('POST', 'secret/delete/gone', { versions: [2] });
    await server.api('PUT', 'secret/destroy/gone', { versions: [1] });
    await assert.rejects(hcv.read('gone', '1'), { code: 'not_found', message: /"gone" version 1: .*destroyed/ });
    await assert.rejects(hcv.read('gone', '2'), { code: 'not_found', message: /version 2: .*deleted/ });
    assert.equal((await hcv.fetch('gone', '3')).version.id, '3');
    await assert.rejects(hcv.read('gone', '4'), { code: 'not_found' });
    await assert.rejects(hcv.read('nothing'), { code: 'not_found', message: /^secret "nothing": not found$/ });
    await server.api('DELETE', 'secret/data/gone');
    await assert.rejects(hcv.read('gone'), { code: 'not_found', message: /deleted/ });
    await server.api('POST', 'secret/undelete/gone', { versions: [3] });
    assert.equal((await hcv.fetch('gone')).version.id, '3');
  });

  it('of v1 have no version, and numbers with every digit', async () => {
    await server.api('POST', 'sys/mounts/teams/kv', { type: 'kv', options: { version: '1' } });
    const numbers = '{"big":12345678901234567890,"price":1.10,"deep":{"list":[1e30,-0.0]}}';
    await server.api('POST', 'teams/kv/a/b', { x: 1 });
    await using v1 = await openHcv(server, { ...root(), mount: '/teams/kv/', kv: 'v1' });
    const secret = await v1.fetch('a/b');
    assert.equal(secret.value.reveal(), '{"x":1}');
    assert.deepEqual([secret.version, secret.createdAt], [{ id: null, stages: [] }, null]);
    await assert.rejects(v1.read('a'), { code: 'not_found' });
    await server.api('POST', 'teams/kv/numbers', numbers);
    const { value } = await v1.fetch('numbers');
    assert.equal(value.pick({ key: 'big' }), '12345678901234567890');
    assert.equal(value.pick({ key: 'price' }), '1.10');
    assert.equal(value.pick({ pointer: '/deep/list/0' }), '1e30');
  });

  it('whose engine has versions say so to a vault of v1', async () => {
    await server.putSecret('versioned', { a: '1' });
    await using v1 = await openHcv(server, { ...root(), kv: 'v1' });
    await assert.rejects(v1.read('versioned'), { code: 'not_found', message: /kv should be v2/ });
    await using nowhere = await openHcv(server, { ...root(), mount: 'nowhere' });
    await assert.rejects(nowhere.read('x'), { code: 'not_found', message: /nothing is mounted there/ });
  });

  it('may have names that need encoding, and none that lead elsewhere', async () => {
    const names = ['ä b', 'x?version=1', 'a#b', 'per%cent', 'q\'uo"te', 'c:d@e+f=g,h', 'dir.with/..dots../x'];
    for (const name of names) {
      const path = name.split('/').map(encodeURIComponent).join('/');
      await server.putSecret(path, { name });
      assert.equal((await hcv.fetch(name)).value.pick({ key: 'name' }), name);
    }
    const before = hcv.counts.calls;
    for (const path of ['../sys/mounts', 'a/../b', './a', 'a//b', '/a', 'a/']) {
      await assert.rejects(hcv.read(path), { code: 'not_found', message: /no secret can have this path/ });
    }
    assert.equal(hcv.counts.calls, before);
  });

  it('are in the namespace that the vault says', async () => {
    await server.api('POST', 'sys/namespaces/team');
    await server.api('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } }, { namespace: 'team' });
    await server.putSecret('where', { at: 'team' }, { namespace: 'team' });
    await server.putSecret('where', { at: 'root' });
    await using team = await openHcv(server, { ...root(), namespace: 'team' });
    assert.equal(await team.read('where'), '{"at":"team"}');
    assert.equal(await hcv.read('where'), '{"at":"root"}');
    await using nowhere = await openHcv(server, { ...root(), namespace: 'nobody' });
    await assert.rejects(nowhere.read('where'), { code: 'unavailable', message: /refuses|no such namespace/ });
  });

  it('that policies deny are access_denied, and the token is had no second time for it', async () => {
    await server.putSecret('mine', { a: '1' });
    await server.policy('mine', ['secret/data/mine']);
    const token = await server.token({ policies: ['mine'] });
    await using limited = await openHcv(server, { token });
    assert.equal(await limited.read('mine'), '{"a":"1"}');
    await assert.rejects(limited.read('hello'), {
      code: 'access_denied',
      message: /denies access; look at the policies of the token's role/,
    });
    assert.equal(limited.count('read'), 2);
    // Not even allowed to look at itself.
    const blind = await server.token({ policies: ['mine'], no_default_policy: true });
    await using unseeing = await openHcv(server, { token: blind });
    assert.equal(await unseeing.read('mine'), '{"a":"1"}');
    await assert.rejects(unseeing.read('hello'), { code: 'access_denied' });
  });

  it('are fetched together as each by itself', async () => {
    const queries = Array.from({ length: 60 }, (_, index) => `many/${index}`);
    for (const path of queries.slice(0, 40)) await server.putSecret(path, { path });
    const results = await hcv.backend.fetchMany(
      queries.map((path) => ({ path, version: {} })),
      new AbortController().signal,
    );
    for (const [index, result] of results.entries()) {
      if (index < 40)
        assert.equal((result as { value: { pick(p: object): string } }).value.pick({ key: 'path' }), queries[index]);
      else assert.ok(result instanceof BackendError && result.code === 'not_found');
    }
  });
});

describe('a version of an hcv vault', () => {
  const type = VAULT_TYPES.get('hcv')!;
  const versionIn = (kv: string, text: string) =>
    addressOf(type, withDefaults(type, { kv }), parseReference(text)).readings[0].query.version;

  it('is the number behind the #, or version_id, and none is the latest', () => {
    assert.deepEqual(versionIn('v2', '{vault://hcv/hello/foo}'), {});
    assert.deepEqual(versionIn('v2', '{vault://hcv/hello/foo#7}'), { id: '7' });
    assert.deepEqual(versionIn('v2', '{vault://hcv/hello/foo?version_id=7}'), { id: '7' });
    for (const id of ['x', '0', '-1', '1.5']) {
      assert.throws(() => versionIn('v2', `{vault://hcv/hello/foo?version_id=${id}}`), { code: 'unsupported_version' });
    }
  });

  it('of v1 is 1 alone', () => {
    assert.deepEqual(versionIn('v1', '{vault://hcv/hello/foo#1}'), {});
    assert.throws(() => versionIn('v1', '{vault://hcv/hello/foo#2}'), { code: 'unsupported_version', message: /v1/ });
  });

  it('is all that a reference may say beside lifetimes: nothing that sends a token elsewhere', () => {
    for (const { name } of type.fields.filter((field) => !/ttl$/.test(field.name))) {
      assert.throws(() => versionIn('v2', `{vault://hcv/hello/foo?${name}=x}`), { code: 'invalid_option' });
    }
  });
});
