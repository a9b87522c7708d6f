import type { Clock } from '@vaultplane/platform/time/clock.ts';

interface Timer {
  due: number;
  order: number;
  task: () => void;
}

/** A clock for tests, which moves only when told to. */
export class FakeClock implements Clock {
  readonly reuseMs = 0;
  #now: number;
  /** By how much it was set, all in all. */
  #set = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#set;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, delayMs), order: this.#order++, task };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers are armed. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves to `targetMs`, running what falls due on the way, in order. After each timer the microtask queue and one turn
   * of the event loop are drained, so that work which a timer started (and which needs no real I/O) has settled.
   */
  async advanceTo(targetMs: number): Promise<void> {
    await settled();
    for (;;) {
      const next = [...this.#timers]
        .filter((timer) => timer.due <= targetMs)
        .sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.task();
      await settled();
    }
    this.#now = targetMs;
    await settled();
  }

  advance(ms: number): Promise<void> {
    return this.advanceTo(this.#now + ms);
  }

  /** Sets the clock as an administrator would, backwards too: no timer runs, and none moves. */
  set(ms: number): void {
    const shift = ms - this.#now;
    this.#now = ms;
    this.#set += shift;
    for (const timer of this.#timers) timer.due += shift;
  }
}

/** Everything that could go on without real I/O has gone on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
