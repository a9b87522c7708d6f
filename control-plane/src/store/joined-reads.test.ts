import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JoinedReads } from './joined-reads.ts';

describe('joined reads', () => {
  it('are one for all who ask for the same key in one turn, and another for who asks once it has begun', async () => {
    const begun: string[] = [];
    let later: Promise<string> | undefined;
    const joined: JoinedReads<string> = new JoinedReads(async (key) => {
      begun.push(key);
      if (begun.length === 1) later = joined.read(key);
      return `${key} ${begun.length}`;
    });
    const asked = [joined.read('a'), joined.read('b'), joined.read('a')];
    assert.deepEqual(begun, []);
    assert.deepEqual(await Promise.all(asked), ['a 1', 'b 2', 'a 1']);
    assert.equal(await later, 'a 3');
    assert.deepEqual(begun, ['a', 'b', 'a']);
  });

  it('fail for those who wait for them, and not for those behind', async () => {
    let fails = true;
    const joined = new JoinedReads(async () => {
      if (fails) throw new Error('gone');
      return 'back';
    });
    const asked = [joined.read('a'), joined.read('a')];
    for (const read of asked) await assert.rejects(read, /gone/);
    fails = false;
    assert.equal(await joined.read('a'), 'back');
  });
});
