import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortAfter, afterAlive, systemClock } from './clock.ts';

/** Longer than setTimeout takes; it fires at once then. */
const TOO_LONG = [2 ** 31, 2 ** 32 + 1, 8760 * 3_600_000, Number.MAX_SAFE_INTEGER, Infinity];

describe('timers of the clock', () => {
  it('wait for as long as they are told, however long that is', async () => {
    const fired: number[] = [];
    const cancels = TOO_LONG.flatMap((delay) =>
      [systemClock.after, afterAlive].map((after) => after(delay, () => fired.push(delay))),
    );
    const signals = TOO_LONG.map(abortAfter);
    await sleep(100);
    for (const cancel of cancels) cancel();
    assert.deepEqual(fired, []);
    assert.ok(signals.every((signal) => !signal.aborted));
  });

  it('fire when they are due, and not once they are cancelled', async () => {
    const fired: string[] = [];
    systemClock.after(10, () => fired.push('cancelled'))();
    systemClock.after(-5, () => fired.push('at once'));
    await new Promise<void>((resolve) => afterAlive(20, resolve));
    assert.deepEqual(fired, ['at once']);
    const signal = abortAfter(1);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    assert.equal((signal.reason as Error).name, 'TimeoutError');
  });

  it('keep a process alive only where they say so', () => {
    const run = (code: string) => {
      const module = JSON.stringify(new URL('./clock.ts', import.meta.url).href);
      const script = `const { afterAlive, systemClock } = await import(${module}); ${code}`;
      return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    };
    assert.equal(run("systemClock.after(50, () => console.log('fired'));"), '');
    assert.equal(run("afterAlive(50, () => console.log('fired'));"), 'fired\n');
  });
});
