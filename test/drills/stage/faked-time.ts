import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakeTimeLibrary } from './machine.ts';

/** Environment of a process that lives through `rate` seconds in each: all its clocks and timers, by libfaketime. */
export function fastTime(rate: number): NodeJS.ProcessEnv {
  return { LD_PRELOAD: fakeTimeLibrary(), FAKETIME: `+0 x${rate}` };
}

/** The wall clock of a process, which can be set while it runs, by libfaketime. Its monotonic clock stays as it is. */
export class SettableClock {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, 'clock');
    this.set(0);
  }

  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: fakeTimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Seconds for which it does not look at the file again.
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** How far the clock is ahead of the real time from now on, seconds. */
  set(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }
}
