import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
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
    // Each reading is between two of the real time, however long the machine does something else in between.
    const reading = () => ({ from: performance.now(), steady: time.now(), to: performance.now() });
    const start = reading();
    while (performance.now() - start.from < 50) time.now();
    const end = reading();
    const steady = end.steady - start.steady;
    assert.ok(steady <= end.to - start.from + 1, `${steady} ms in ${end.to - start.from} ms`);
    assert.ok(steady >= end.from - start.to - 1, `${steady} ms in ${end.from - start.to} ms`);
  });
});
