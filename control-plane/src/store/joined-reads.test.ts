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

  it('of what nobody else changes are made once, until it changes; one that is under way then is not kept', async () => {
    let value = 'old';
    let reads = 0;
    let read: (() => void) | undefined;
    const joined = new JoinedReads(async () => {
      reads++;
      const was = value;
      await new Promise<void>((resolve) => {
        read = resolve;
        if (value === 'old') resolve();
      });
      return was;
    }, 2);
    assert.deepEqual([await joined.read('a'), await joined.read('a'), reads], ['old', 'old', 1]);
    value = 'new';
    joined.changed();
    const before = joined.read('a');
    await new Promise(setImmediate);
    value = 'newer';
    joined.changed();
    read!();
    assert.equal(await before, 'new');
    const after = joined.read('a');
    await new Promise(setImmediate);
    read!();
    assert.deepEqual([await after, await joined.read('a'), reads], ['newer', 'newer', 3]);
    value = 'old';
    for (const key of ['b', 'c', 'd', 'd']) await joined.read(key);
    assert.equal(reads, 7, 'no more keys are known than is said: b is, c and d are read each time');
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
