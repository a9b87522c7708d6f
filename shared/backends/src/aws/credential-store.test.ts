import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { settled } from '@vaultplane/testkit/fake-clock.ts';
import { type AwsCredentials, CredentialStore } from './credential-store.ts';

const MINUTE = 60_000;

/** A store over credentials that live `life` milliseconds, on a clock that the test moves. */
function storeOf(life: number) {
  const state = { now: 0, finds: 0, failing: false };
  const store = new CredentialStore(
    async (): Promise<AwsCredentials> => {
      state.finds++;
      if (state.failing) throw new BackendError('unavailable', 'no');
      return { accessKeyId: `key-${state.finds}`, secretAccessKey: 's3cret', expiration: new Date(state.now + life) };
    },
    () => state.now,
  );
  const keyId = async () => (await store.get()).accessKeyId;
  return { store, state, keyId };
}

describe('a credential store', () => {
  it('has credentials once for any number of calls', async () => {
    const { state, keyId } = storeOf(60 * MINUTE);
    await Promise.all(Array.from({ length: 50 }, keyId));
    state.now = 54 * MINUTE;
    assert.equal(await keyId(), 'key-1');
    assert.equal(state.finds, 1);
  });

  it('has them anew before they expire, without a call waiting for it', async () => {
    const { state, keyId } = storeOf(60 * MINUTE);
    await keyId();
    state.now = 56 * MINUTE;
    assert.equal(await keyId(), 'key-1');
    await settled();
    assert.equal(await keyId(), 'key-2');
  });

  it('uses the old ones to their end while there are no new ones, asking now and then', async () => {
    const { state, keyId } = storeOf(60 * MINUTE);
    await keyId();
    state.failing = true;
    for (state.now = 55 * MINUTE; state.now < 60 * MINUTE; state.now += 1000) {
      assert.equal(await keyId(), 'key-1');
      await settled();
    }
    assert.ok(state.finds <= 32, `asked ${state.finds} times`);
    // By this clock, which may be wrong: they are tried.
    state.now = 61 * MINUTE;
    assert.equal(await keyId(), 'key-1');
    const { finds } = state;
    state.now += 1000;
    assert.equal(await keyId(), 'key-1');
    assert.equal(state.finds, finds);
    state.failing = false;
    state.now += 10_000;
    assert.equal(await keyId(), `key-${finds + 1}`);
  });

  it('uses what is found although it has ended by this clock, and asks for others now and then', async () => {
    const { state, keyId } = storeOf(-60 * MINUTE);
    for (let second = 0; second < 30; second++) {
      assert.match(await keyId(), /^key-/);
      state.now += 1000;
    }
    assert.equal(state.finds, 3);
  });

  it('is not put out by a clock that is set', async () => {
    const { state, keyId } = storeOf(60 * MINUTE);
    state.now = 1000 * MINUTE;
    await keyId();
    state.now = 0;
    assert.equal(await keyId(), 'key-1');
    state.now = 2000 * MINUTE;
    assert.equal(await keyId(), 'key-2');
    state.failing = true;
    state.now = 4000 * MINUTE;
    assert.equal(await keyId(), 'key-2');
    state.failing = false;
    state.now = 3000 * MINUTE;
    assert.equal(await keyId(), 'key-4');
  });

  it('forgets refused ones, but not those had meanwhile', async () => {
    const { store, keyId } = storeOf(60 * MINUTE);
    const old = await store.get();
    store.discard(old);
    assert.equal(await keyId(), 'key-2');
    store.discard(old);
    assert.equal(await keyId(), 'key-2');
  });

  it('shows none of them when it is printed', async () => {
    const { store } = storeOf(MINUTE);
    await store.get();
    assert.ok(!inspect(store, { showHidden: true, depth: 9 }).includes('s3cret'));
    assert.ok(!JSON.stringify(store).includes('s3cret'));
  });
});
