import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { SecretBackend } from '../backend.ts';
import { Credentials } from '../credentials.ts';
import { LOOK_AGAIN_AFTER_MS, RenewingBackend } from './renewing-backend.ts';

/** A vault that takes one token, and the place where that stands. */
class Scene {
  readonly clock = new FakeClock();
  readonly lookups: boolean[] = [];
  readonly calls: string[][] = [];
  stands = 'one';
  taken = 'one';

  open(): Promise<RenewingBackend> {
    const config = { host: 'h', token: '{vault://env/token}' };
    const credentials = Credentials.of('hcv', config, async (_reference, anew) => {
      this.lookups.push(anew);
      return this.stands;
    });
    return RenewingBackend.open(credentials!, async (complete) => this.#backend(complete), this.clock);
  }

  #backend({ token }: VaultConfig): SecretBackend {
    const fetchMany: SecretBackend['fetchMany'] = async (queries) => {
      this.calls.push(queries.map(({ path }) => path));
      return queries.map(({ path }) =>
        token === this.taken || path.startsWith('open-')
          ? {
              value: SecretValue.ofText(path),
              version: { id: '1', stages: [] },
              createdAt: null,
              arn: null,
              name: path,
            }
          : new BackendError('access_denied', 'the token is taken no more', { credentialsRefused: true }),
      );
    };
    return {
      scope: 's',
      description: 'd',
      fetchMany,
      async fetch(query, signal) {
        const [result] = await fetchMany([query], signal);
        if (result instanceof BackendError) throw result;
        return result!;
      },
    };
  }
}

describe('a backend whose credentials stand elsewhere', () => {
  const { signal } = new AbortController();
  const query = (path: string) => ({ path, version: {} });

  it('asks again only for what was refused, with the credentials that stand there now', async () => {
    const scene = new Scene();
    const backend = await scene.open();
    scene.taken = 'two';
    scene.stands = 'two';
    const results = await backend.fetchMany(['a', 'open-b', 'c'].map(query), signal);
    assert.deepEqual(
      results.map((result) => (result instanceof BackendError ? result.code : result.value.reveal())),
      ['a', 'open-b', 'c'],
    );
    assert.deepEqual(scene.calls, [
      ['a', 'open-b', 'c'],
      ['a', 'c'],
    ]);
    assert.deepEqual(scene.lookups, [false, true]);
  });

  it('looks for others once in a while where there are none yet, and has them when they are there', async () => {
    const scene = new Scene();
    const backend = await scene.open();
    scene.taken = 'two';
    for (let count = 0; count < 10; count++) {
      await assert.rejects(backend.fetch(query('a'), signal), { code: 'access_denied' });
    }
    assert.deepEqual(scene.lookups, [false, true]);
    scene.stands = 'two';
    await scene.clock.advance(LOOK_AGAIN_AFTER_MS + 1);
    assert.equal((await backend.fetch(query('a'), signal)).value.reveal(), 'a');
    assert.deepEqual(scene.lookups, [false, true, true]);
  });
});
