import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndOfTurn } from './end-of-turn.ts';

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the end of a turn', () => {
  it('does what came in a turn in the order in which it came, and nothing before', async () => {
    const done: string[] = [];
    const end = new EndOfTurn<string>((item) => done.push(item));
    end.add('a');
    end.add('b');
    await Promise.resolve();
    assert.deepEqual(done, []);
    await nextTurn();
    assert.deepEqual(done, ['a', 'b']);
  });

  it('leaves what comes of it for the next turn', async () => {
    const done: string[] = [];
    const end = new EndOfTurn<string>((item) => {
      done.push(item);
      if (item === 'a') end.add('of a');
    });
    end.add('a');
    end.add('b');
    await nextTurn();
    assert.deepEqual(done, ['a', 'b']);
    await nextTurn();
    assert.deepEqual(done, ['a', 'b', 'of a']);
  });

  it('is not waited for where one comes at a time, until two come in one turn', async () => {
    const done: number[] = [];
    const end = new EndOfTurn<number>((item) => done.push(item));
    let next = 0;
    const isWaitedFor = () => {
      end.add(++next);
      return done.at(-1) !== next;
    };
    let turns = 0;
    for (; isWaitedFor(); turns++) {
      assert.ok(turns < 100);
      await nextTurn();
      assert.equal(done.at(-1), next);
    }
    await nextTurn();
    assert.equal(isWaitedFor(), false);
    assert.equal(isWaitedFor(), false);
    await nextTurn();
    assert.equal(isWaitedFor(), true);
    assert.equal(isWaitedFor(), true);
    await nextTurn();
    assert.deepEqual(
      done,
      Array.from({ length: next }, (_, index) => index + 1),
    );
  });
});
