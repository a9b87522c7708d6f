import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  decodeDataPlaneMessage,
  encodeMessage,
  MAX_DATA_PLANE_MESSAGE_BYTES,
  type ReferencesMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import type { HeldSecret } from '../cache/inventory.ts';
import { countsByVault, ReferenceTelling } from './reference-telling.ts';

const secret = (name: string, facts: Partial<HeldSecret> = {}): HeldSecret => ({
  key: name,
  vault: 'aws',
  state: 'fresh',
  versionId: 'v1',
  endsInMs: Infinity,
  fetchedAt: 1_000_000,
  reference: `{vault://aws/${name}}`,
  ...facts,
});

/** What a control plane makes of the messages. */
class Listener {
  readonly names = new Map<number, string>();
  readonly held = new Map<number, unknown[]>();
  complete = false;

  take({ names, held, gone, complete }: ReferencesMessage): void {
    for (const number of gone) {
      assert.ok(this.names.delete(number), `${number} was named before it is gone`);
      this.held.delete(number);
    }
    for (const [number, , reference] of names) {
      assert.ok(!this.names.has(number), `${number} is free`);
      this.names.set(number, reference);
    }
    for (const [number, ...facts] of held) {
      assert.ok(this.names.has(number));
      this.held.set(number, facts);
    }
    this.complete = complete;
  }

  get picture(): Map<string, unknown[]> {
    return new Map([...this.held].map(([number, facts]) => [this.names.get(number)!, facts]));
  }
}

describe('what a control plane is told of references', () => {
  it('is everything at first, then what changed, and nothing while nothing does', async () => {
    const clock = new FakeClock();
    let inventory = [secret('a'), secret('b', { state: 'negative', versionId: null, fetchedAt: null })];
    const telling = new ReferenceTelling({ inventory: () => inventory, clock });
    assert.deepEqual(telling.next(), {
      type: 'references',
      names: [
        [0, 'aws', '{vault://aws/a}'],
        [1, 'aws', '{vault://aws/b}'],
      ],
      held: [
        [0, 0, 'v1', 1000],
        [1, 3, null, null],
      ],
      gone: [],
      complete: true,
    });
    assert.equal(telling.next(), undefined);
    inventory = [secret('a', { versionId: 'v2', state: 'stale' })];
    assert.deepEqual(telling.next(), {
      ...{ type: 'references', names: [], held: [[0, 1, 'v2', 1000]] },
      ...{ gone: [1], complete: true },
    });
    inventory = [secret('c'), ...inventory];
    assert.deepEqual(telling.next()?.names, [[1, 'aws', '{vault://aws/c}']]);
  });

  it('is also that there is nothing', () => {
    const telling = new ReferenceTelling({ inventory: () => [], clock: new FakeClock() });
    assert.equal(telling.next()?.complete, true);
    assert.equal(telling.next(), undefined);
  });

  it('is bounded a message and a second, however much there is', async () => {
    const clock = new FakeClock();
    const inventory = Array.from({ length: 10_000 }, (_, index) => secret(`s-${index}`));
    const telling = new ReferenceTelling({ inventory: () => inventory, clock });
    const listener = new Listener();
    let seconds = 0;
    for (; !listener.complete; seconds++) {
      const message = telling.next();
      assert.ok(message && message.names.length <= (seconds === 0 ? 1000 : 100));
      listener.take(message);
      await clock.advance(1000);
    }
    assert.equal(listener.picture.size, 10_000);
    assert.equal(seconds, 91);
  });

  it('has the ages of values that were fetched again unchanged now and then, the longest untold first', async () => {
    const clock = new FakeClock();
    const inventory = Array.from({ length: 250 }, (_, index) => secret(`s-${index}`));
    const telling = new ReferenceTelling({ inventory: () => inventory, clock });
    telling.next();
    const refetch = (ms: number) => {
      for (const [index, { key }] of inventory.entries()) inventory[index] = secret(key, { fetchedAt: ms });
    };
    refetch(2_000_000);
    await clock.advance(9_000);
    assert.equal(telling.next(), undefined);
    const numbers = new Set<number>();
    for (const count of [100, 200, 250]) {
      await clock.advance(10_000);
      const message = telling.next();
      for (const [number, , , fetchedAt] of message?.held ?? []) {
        numbers.add(number);
        assert.equal(fetchedAt, 2000);
      }
      assert.equal(numbers.size, count);
    }
  });

  it('comes to what is held, whatever happens in whichever order', () => {
    const state = fc.constantFrom('fresh', 'stale', 'resurrected', 'negative');
    const step = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.tuple(state, fc.constantFrom('1', '2', null)),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let inventory: HeldSecret[] = [];
        const telling = new ReferenceTelling({ inventory: () => inventory, clock: new FakeClock() });
        const listener = new Listener();
        for (const held of steps) {
          inventory = Object.entries(held).map(([name, [state, versionId]]) =>
            secret(name, { state: state as HeldSecret['state'], versionId }),
          );
          const message = telling.next();
          if (message) listener.take(message);
        }
        if (steps.length === 0) return;
        const wanted = inventory.map(({ reference, versionId }) => [reference, versionId] as const);
        assert.deepEqual(
          new Map([...listener.picture].map(([name, [, versionId]]) => [name, versionId])),
          new Map(wanted),
        );
      }),
    );
  });

  it('has counts by vault beside it', () => {
    const inventory = [secret('a'), secret('b', { vault: 'my' }), secret('c', { state: 'stale' })];
    assert.deepEqual(countsByVault(inventory), [
      { prefix: 'aws', fresh: 1, stale: 1, resurrected: 0, negative: 0 },
      { prefix: 'my', fresh: 1, stale: 0, resurrected: 0, negative: 0 },
    ]);
  });

  it('tells of long names in several messages that the link takes, and not of one that no message could have', () => {
    const clock = new FakeClock();
    const inventory = [
      ...Array.from({ length: 400 }, (_, index) => secret(`${index}-${'x'.repeat(7000)}`)),
      secret('y'.repeat(10_000)),
    ];
    const telling = new ReferenceTelling({ inventory: () => inventory, clock });
    const listener = new Listener();
    let messages = 0;
    for (let next = telling.next(); next; next = telling.next()) {
      const bytes = encodeMessage(next);
      assert.ok(bytes.length < MAX_DATA_PLANE_MESSAGE_BYTES / 4, String(bytes.length));
      decodeDataPlaneMessage(bytes);
      listener.take(next);
      messages++;
    }
    assert.ok(messages > 10);
    assert.equal(listener.held.size, 400);
    assert.ok(listener.complete);
  });
});
