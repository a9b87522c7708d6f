import { forNoRequest } from '../logging/request-id.ts';

/** Time, handed in, so that everything that depends on it can be tested without waiting. */
export interface Clock {
  /** Milliseconds since 1970. May jump, as the machine's clock may. */
  now(): number;
  /** Milliseconds since any moment. Never set and never goes back, but may stand still while the machine sleeps. */
  monotonic(): number;
  /** Milliseconds for which a reading may be used again where readings are many and dear; 0 for never. */
  readonly reuseMs: number;
  /** Runs `task` once after `delayMs` milliseconds, unless the returned function is called first. Never keeps a process alive. */
  after(delayMs: number, task: () => void): () => void;
}

// setTimeout takes at most 2^31-1 ms (24.8 days) and fires at once beyond it.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  reuseMs: 20,
  after: (delayMs, task) => startTimer(delayMs, task, false),
};

/** As the system's clock's `after`, but the process stays alive until then. */
export function afterAlive(delayMs: number, task: () => void): () => void {
  return startTimer(delayMs, task, true);
}

/** As AbortSignal.timeout, which takes as little as setTimeout does. */
export function abortAfter(delayMs: number): AbortSignal {
  const controller = new AbortController();
  systemClock.after(delayMs, () => controller.abort(new DOMException('it took too long', 'TimeoutError')));
  return controller.signal;
}

function startTimer(delayMs: number, task: () => void, keepsAlive: boolean): () => void {
  const due = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = due - performance.now();
    timer = left > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(task, Math.max(0, left));
    if (!keepsAlive) timer.unref();
  };
  // What a timer does later is no part of the request that it was set by.
  forNoRequest(arm);
  return () => clearTimeout(timer);
}
