import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { RateLimit } from './rate-limit.ts';

it('lets through a burst, then one at a time, and says when the next may come', async () => {
  const clock = new FakeClock(1_000_000);
  const limit = new RateLimit({ clock, atOnce: 3, everyMs: 5000 });
  assert.deepEqual([limit.take(), limit.take(), limit.take()], [0, 0, 0]);
  assert.equal(limit.take(), 5);
  await clock.advance(4000);
  assert.equal(limit.take(), 1);
  await clock.advance(1000);
  assert.deepEqual([limit.take(), limit.take()], [0, 5]);
  // A clock that is set gives nobody more.
  clock.set(0);
  assert.equal(limit.take(), 5);
  await clock.advance(60_000);
  assert.deepEqual([limit.take(), limit.take(), limit.take(), limit.take()], [0, 0, 0, 5]);
});
