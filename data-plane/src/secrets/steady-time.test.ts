import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '@vaultplane/shared/clock.ts';
import { FakeClock } from '@vaultplane/shared/testing/fake-clock.ts';
import { SteadyTime } from './steady-time.ts';

describe('steady time', () => {
  it('goes on as usual through a clock set back, whether or not anybody looked meanwhile', async () => {
    const clock = new FakeClock(1_000_000);
    const time = new SteadyTime(clock);
    const start = time.now();
    await clock.advance(5000);
    clock.set(0);
    await clock.advance(5000);
    assert.equal(time.now() - start, 10_000);
  });

  it('counts a clock set forward as time gone by, once', async () => {
    const clock = new FakeClock(1_000_000);
    const time = new SteadyTime(clock);
    const start = time.now();
    clock.set(clock.now() + 3_600_000);
    assert.equal(time.now() - start, 3_600_000);
    clock.set(clock.now() - 3_600_000);
    await clock.advance(1000);
    assert.equal(time.now() - start, 3_601_000);
  });

  it('runs no faster however often it is asked', () => {
    const time = new SteadyTime(systemClock);
    const start = [performance.now(), time.now()] as const;
    while (performance.now() - start[0] < 50) time.now();
    const [really, steady] = [performance.now() - start[0], time.now() - start[1]];
    assert.ok(Math.abs(really - steady) < 20, `${steady} ms in ${really} ms`);
  });
});
