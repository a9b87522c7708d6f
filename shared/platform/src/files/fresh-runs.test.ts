import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FreshRuns } from './fresh-runs.ts';

describe('fresh runs', () => {
  /** Runs that end one by one, when told. */
  function held() {
    const ends: Array<() => void> = [];
    const runs = new FreshRuns(() => new Promise((resolve) => ends.push(resolve)));
    return { runs, ends };
  }

  it('begin at once, and one after the other', async () => {
    const { runs, ends } = held();
    const first = runs.start();
    assert.equal(ends.length, 1);
    const second = runs.start();
    assert.equal(ends.length, 1);
    ends[0]!();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ends.length, 2);
    ends[1]!();
    await second;
    await runs.ended();
  });

  it('are one for all who ask during another, and it begins after they have asked', async () => {
    const { runs, ends } = held();
    const first = runs.start();
    const later = [runs.start(), runs.start(), runs.start()];
    let settled = 0;
    for (const each of later) void each.then(() => settled++);
    ends[0]!();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([ends.length, settled], [2, 0]);
    ends[1]!();
    await Promise.all(later);
    assert.equal(ends.length, 2);
  });
});
