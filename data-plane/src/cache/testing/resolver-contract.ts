import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { BackendHarness, Capability, Undo } from '@vaultplane/backends/testing/backend-contract.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { suggestedPolicy } from '@vaultplane/model/upstream-policy/testing/suggested-policy.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { type Resolver, startResolver } from '../resolver.ts';

const TTL_SECONDS = 10;
/** Past the ttl and its jitter. */
const A_TTL_MS = 11_500;
/** Longer than the usual ones: a machine that is busy with other tests is no outage. */
const PATIENT = { upstream_connect_timeout: 20, upstream_timeout: 60 };

/**
 * What a data plane makes of a vault type's backend (specification.md §3, §4), against the type's server: the second half of
 * the backend contract (shared/backends/src/testing/backend-contract.ts), with the same harness. It stands in the data plane,
 * since that is where lookups are merged, and values held:
 *
 *     resolverContract('hcv on OpenBao', HCV_LACKS, startHcvHarness);
 *
 * @param skip why the suite can't be run on this machine
 */
export function resolverContract(
  name: string,
  lacks: BackendHarness['lacks'],
  begin: () => BackendHarness | Promise<BackendHarness>,
  skip?: string,
): void {
  describe(`resolver contract: ${name}`, skip === undefined ? {} : { skip }, () => {
    let harness: BackendHarness;
    let resolver: Resolver;
    let clock: FakeClock;
    const logged: string[] = [];
    const undo: Undo[] = [];
    before(async () => {
      harness = await begin();
    });
    beforeEach(() => {
      clock = new FakeClock(Date.now());
      resolver = startResolver({
        clock,
        log: createLog('test', 'debug', { write: (line) => void logged.push(line) }),
        env: harness.env(),
        settings: { cache_max_entries: 1000, cache_max_bytes: 10_000_000, ...PATIENT },
        random: () => 0.5,
      });
      configure({});
    });
    afterEach(async () => {
      for (const end of undo.splice(0)) await end();
      await resolver.stop();
    });
    after(() => harness?.stop());

    let version = 0;
    const configure = (more: VaultConfig) => {
      const config = { ttl: TTL_SECONDS, ...harness.config(), ...more };
      const entity = { id: 'it', prefix: 'it', name: harness.type, description: null, tags: null, config };
      const vaults = [{ ...entity, created_at: 1, updated_at: 1 }];
      resolver.setUpstreamPolicy(suggestedPolicy(harness.type, config));
      resolver.configure({ snapshot: makeSnapshot('t', ++version, vaults), defaults: {} });
    };
    const put = (path: string, password: string) =>
      harness.put(path, JSON.stringify({ password, user: `${password}-user` }));
    const outcome = async (reference: string, refresh = false) => {
      const [answer] = await resolver.resolveMany([reference], refresh ? { refresh } : {});
      return answer!;
    };
    const get = async (reference: string, refresh = false) => {
      const answer = await outcome(reference, refresh);
      return answer instanceof VaultplaneError ? answer.code : answer.value;
    };
    const until = async (isSo: () => boolean) => {
      while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
    };
    const where = (capability: Capability, title: string, test: () => Promise<void>) => {
      if (lacks[capability] === undefined) it(title, test);
    };

    it('picks members of one version, and tells what it is', async () => {
      await put('app', 'one');
      const answers = await resolver.resolveMany(['{vault://it/app/password}', '{vault://it/app/user}']);
      assert.deepEqual(
        answers.map((answer) => (answer as { value: string }).value),
        ['one', 'one-user'],
      );
      assert.equal((answers[0] as { state: string }).state, 'fresh');
      assert.equal(await get('{vault://it/app/none}'), 'key_not_found');
      assert.equal(await get('{vault://it/app?json_pointer=/user}'), 'one-user');
    });

    it('says of what has a second reading that neither was found', async () => {
      assert.equal(await get('{vault://it/nothing-here/password}'), 'not_found');
      assert.equal(await get('{vault://it/nothing-here}'), 'not_found');
    });

    where('calls', 'makes one call for 1,000 lookups, and none for 1,000 more', async () => {
      await put('herd', 'one');
      const before = await harness.calls!();
      const herd = () => Promise.all(Array.from({ length: 1000 }, () => get('{vault://it/herd/password}')));
      assert.deepEqual(new Set(await herd()), new Set(['one']));
      assert.equal((await harness.calls!()) - before, 1);
      assert.deepEqual(new Set(await herd()), new Set(['one']));
      assert.equal((await harness.calls!()) - before, 1);
    });

    it('serves what it holds, has the rotated value in the background, and at once where that is asked for', async () => {
      await put('rotating', 'one');
      assert.equal(await get('{vault://it/rotating/password}'), 'one');
      await put('rotating', 'two');
      assert.equal(await get('{vault://it/rotating/password}'), 'one');
      assert.equal(await get('{vault://it/rotating/password}', true), 'two');
      await put('rotating', 'three');
      await clock.advance(A_TTL_MS);
      await until(() => resolver.counts().fresh === 1);
      assert.equal(await get('{vault://it/rotating/password}'), 'three');
    });

    where('previous', 'holds versions of one secret side by side', async () => {
      await put('versions', 'one');
      await put('versions', 'two');
      const previous = `{vault://it/versions/password${harness.previous!('versions')}}`;
      assert.equal(await get(previous), 'one');
      assert.equal(await get('{vault://it/versions/password}'), 'two');
      assert.equal(resolver.counts().fresh, 2);
      const known = [...resolver.inventory()].map(({ reference }) => reference);
      // What an inventory tells leads to the same version again.
      const again = await Promise.all(
        known.map(async (reference) => ((await outcome(reference)) as { value: string }).value),
      );
      assert.deepEqual(again.map((text) => JSON.parse(text).password).sort(), ['one', 'two']);
      assert.equal(resolver.counts().fresh, 2);
    });

    it('serves what is deleted as long as it may, and knows what was never there', async () => {
      await put('deleted', 'one');
      assert.equal(await get('{vault://it/deleted/password}'), 'one');
      await harness.delete('deleted');
      await clock.advance(A_TTL_MS);
      await until(() => resolver.counts().resurrected === 1);
      assert.equal(await get('{vault://it/deleted/password}'), 'one');
    });

    where('deny', 'serves what is denied by now, and says of others that they are denied', async () => {
      await put('held', 'one');
      await put('others', 'two');
      assert.equal(await get('{vault://it/held/password}'), 'one');
      for (const path of ['held', 'others']) await harness.deny!(path);
      await clock.advance(A_TTL_MS);
      await until(() => resolver.counts().resurrected === 1);
      assert.equal(await get('{vault://it/held/password}'), 'one');
      assert.equal(await get('{vault://it/others/password}'), 'access_denied');
    });

    for (const kind of ['unreachable', 'failing'] as const) {
      where(kind, `${kind}: what is held is served, and is fresh again when the server is back`, async () => {
        await put('kept', 'one');
        assert.equal(await get('{vault://it/kept/password}'), 'one');
        undo.push(await harness[kind]!());
        await clock.advance(A_TTL_MS);
        await until(() => resolver.counts().resurrected === 1);
        assert.equal(await get('{vault://it/kept/password}'), 'one');
        assert.equal(await get('{vault://it/never-asked/password}'), 'unavailable');
        await undo.pop()!();
        await put('kept', 'two');
        assert.equal(await get('{vault://it/kept/password}', true), 'two');
        assert.equal(resolver.counts().fresh, 1);
      });
    }

    where('expireCredentials', 'has other credentials while lookups go on, and none of them fails', async () => {
      const paths = Array.from({ length: 12 }, (_, index) => `busy-${index}`);
      for (const path of paths) await put(path, path);
      const references = paths.map((path) => `{vault://it/${path}/password}`);
      const all = async () => Promise.all(references.map((reference) => get(reference, true)));
      assert.deepEqual(await all(), paths);
      for (let round = 0; round < 3; round++) {
        await harness.expireCredentials!();
        assert.deepEqual(await all(), paths);
      }
    });

    it('has logged no value and no credential', () => {
      for (const text of ['one-user', ...harness.canaries()]) assert.ok(!logged.join('').includes(text), text);
    });
  });
}
