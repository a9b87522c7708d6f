import '@vaultplane/testkit/toy-vault.ts';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { ToyFile } from '@vaultplane/testkit/toy-backend.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { type Resolver, startResolver } from './resolver.ts';

describe('credentials of vaults', () => {
  const file = join(temporaryFolder(), 'toys.json');
  const put = (toys: ToyFile) => writeFileSync(file, JSON.stringify(toys));
  const calls = () => readFileSync(`${file}.calls`, 'utf8').split('\n').length - 1;
  const logged: string[] = [];
  let env: NodeJS.ProcessEnv;
  let resolver: Resolver;
  let version = 0;
  const configure = (vaults: Record<string, VaultConfig>) => {
    const entities = Object.entries(vaults).map(([prefix, config]) => ({
      ...{ id: prefix, prefix, name: 'toy', description: null, tags: null, created_at: 1, updated_at: 1 },
      config: { file, ttl: 3600, ...config },
    }));
    resolver.configure({ snapshot: makeSnapshot('t', ++version, entities), defaults: {} });
  };
  const get = async (reference: string, refresh = false) => {
    const [answer] = await resolver.resolveMany([reference], refresh ? { refresh } : {});
    return answer instanceof VaultplaneError
      ? `${answer.code}: ${answer.message}`
      : `${answer!.value} ${answer!.state}`;
  };
  beforeEach(() => {
    writeFileSync(`${file}.calls`, '');
    env = { TOKEN: 'canary-one', OTHER: 'canary-other' };
    resolver = startResolver({
      clock: new FakeClock(Date.now()),
      log: createLog('test', 'debug', { write: (line) => void logged.push(line) }),
      env,
      settings: { cache_max_entries: 100, cache_max_bytes: 1_000_000 },
    });
    put({ token: 'canary-one', secrets: { 'home/a': ['one'], 'home/b': ['two'] } });
  });
  afterEach(async () => {
    await resolver.stop();
    assert.ok(!logged.join('').includes('canary-'), 'no credential is logged');
  });

  it('open the vault that they are of, and no other one in the same place', async () => {
    configure({
      mine: { token: 'canary-one' },
      theirs: { token: 'canary-other' },
      'by-name': { token: '{vault://env/token}' },
    });
    assert.equal(await get('{vault://mine/a}'), 'one fresh');
    assert.match(await get('{vault://theirs/a}'), /^unavailable: the toys refuse the token/);
    assert.equal(await get('{vault://by-name/a}'), 'one fresh');
    // All at once, too.
    const refreshed = await resolver.resolveMany(['{vault://mine/b}', '{vault://theirs/b}', '{vault://by-name/b}']);
    assert.deepEqual(
      refreshed.map((answer) => (answer instanceof VaultplaneError ? answer.code : answer.value)),
      ['two', 'unavailable', 'two'],
    );
  });

  it('are those of now for what was held under others', async () => {
    configure({ mine: { token: 'canary-one' } });
    assert.equal(await get('{vault://mine/a}'), 'one fresh');
    put({ token: 'canary-two', secrets: { 'home/a': ['one', 'new'] } });
    configure({ mine: { token: 'canary-two' } });
    assert.equal(await get('{vault://mine/a}'), 'one fresh', 'another token is no other secret');
    assert.equal(await get('{vault://mine/a}', true), 'new fresh');
  });

  it('that are references are looked up anew where they are refused, once, and only what was refused is asked again', async () => {
    configure({ mine: { token: '{vault://env/token}' } });
    assert.equal(await get('{vault://mine/a}'), 'one fresh');
    env.TOKEN = 'canary-two';
    put({ token: 'canary-two', secrets: { 'home/a': ['one', 'new'], 'home/b': ['two'] } });
    const before = calls();
    const answers = await Promise.all(Array.from({ length: 50 }, () => get('{vault://mine/a}', true)));
    assert.deepEqual(new Set(answers), new Set(['new fresh']));
    assert.equal(calls() - before, 2, 'one that is refused, and one with the new token');
  });

  it('that are refused and have not changed cost one call, and what is held is served', async () => {
    configure({ mine: { token: '{vault://env/token}' } });
    assert.equal(await get('{vault://mine/a}'), 'one fresh');
    put({ token: 'canary-three', secrets: { 'home/a': ['one', 'new'] } });
    const before = calls();
    assert.equal(await get('{vault://mine/a}', true), 'one fresh');
    assert.equal(calls() - before, 1);
  });

  it('that can not be looked up leave the vault unavailable, by the name of the reference, until they can', async () => {
    configure({ mine: { token: '{vault://env/not-set}' } });
    assert.equal(
      await get('{vault://mine/a}'),
      'unavailable: config.token = {vault://env/not-set} of the vault: the environment variable NOT_SET is not set',
    );
    env.NOT_SET = 'canary-one';
    assert.equal(await get('{vault://mine/a}'), 'one fresh');
  });

  it('are what the reference gives, also where that looks like another reference', async () => {
    env.TOKEN = '{vault://env/other}';
    put({ token: 'canary-other', secrets: { 'home/a': ['one'] } });
    configure({ mine: { token: '{vault://env/token}' } });
    assert.match(await get('{vault://mine/a}'), /^unavailable: the toys refuse the token/);
    put({ token: env.TOKEN, secrets: { 'home/a': ['one'] } });
    assert.equal(await get('{vault://mine/a}', true), 'one fresh');
  });

  it('may not be in a vault that itself is an entity', async () => {
    configure({ mine: { token: 'canary-one' }, second: { token: '{vault://mine/a}' } });
    assert.match(
      await get('{vault://second/a}'),
      /^unavailable: .*must refer to a vault that the data planes' settings/,
    );
  });
});
