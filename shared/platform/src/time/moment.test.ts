import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { elapsedSince, type Moment, systemBootClock } from './moment.ts';

const YEAR_MS = 365 * 86_400_000;
const saved: Moment = { wall: 1_000_000_000, boot: 'a', uptime: 50_000 };
const at = (wallMs: number, uptimeMs: number, boot: string | null = 'a'): Moment => ({
  wall: saved.wall + wallMs,
  boot,
  uptime: boot === 'a' ? saved.uptime + uptimeMs : uptimeMs,
});

describe('the age of what was written to disk', () => {
  it('is what both clocks say where nobody touched them', () => {
    assert.equal(elapsedSince(saved, at(10_000, 10_000)), 10_000);
    assert.equal(elapsedSince(saved, at(10_000, 3_000, 'b')), 10_000);
    assert.equal(elapsedSince({ ...saved, boot: null }, at(10_000, 0, null)), 10_000);
  });

  it('is not made smaller by a clock that was set back', () => {
    assert.equal(elapsedSince(saved, at(-5_000_000, 60_000)), 60_000);
    assert.equal(elapsedSince(saved, at(1_000, 60_000)), 60_000);
    assert.equal(elapsedSince(saved, at(1_000, 60_000, 'b')), 60_000);
  });

  it('counts as a year where nobody can know it: set back, and booted since', () => {
    assert.equal(elapsedSince(saved, at(-5_000, 60_000, 'b')), YEAR_MS);
    assert.equal(elapsedSince(saved, at(-5_000, 60_000, null)), YEAR_MS);
    assert.equal(elapsedSince(saved, at(-5_000, -40_000)), YEAR_MS);
    const lastSeen = at(90_000, 0).wall;
    assert.equal(elapsedSince(saved, at(80_000, 60_000, 'b'), lastSeen), YEAR_MS);
    assert.equal(elapsedSince(saved, at(90_000, 60_000, 'b'), lastSeen), 90_000);
    assert.equal(elapsedSince(saved, at(80_000, 60_000), lastSeen), 80_000);
  });

  it('takes a clock that was set forward for time gone by, and a small correction for none', () => {
    assert.equal(elapsedSince(saved, at(5_000_000, 60_000)), 5_000_000);
    assert.equal(elapsedSince(saved, at(-20, 0, 'b')), 0);
    assert.equal(elapsedSince(saved, at(-20, 10)), 10);
  });

  it('is never less than the truth, whatever was done to the wall clock in one boot', () => {
    const times = fc.tuple(fc.nat(10_000_000), fc.integer({ min: -20_000_000, max: 20_000_000 }));
    fc.assert(
      fc.property(times, ([gone, set]) => elapsedSince(saved, at(gone + set, gone)) >= gone),
      { numRuns: 300 },
    );
  });

  it('has a boot and an uptime on Linux', { skip: process.platform !== 'linux' && 'not Linux' }, () => {
    assert.match(systemBootClock.boot ?? '', /^[0-9a-f-]{36}$/);
    assert.ok(systemBootClock.uptime() > 0);
  });
});
