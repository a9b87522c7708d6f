import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { backoffMs } from '../cache/backoff.ts';

export interface OwedTaskOptions {
  /** @throws where it has to be run again */
  run: () => Promise<void>;
  /** Called at each failure. */
  onFailure: (error: unknown, againInMs: number) => void;
}

/**
 * Something that is owed from each `start` until it has been done: what fails is tried again, with exponential backoff. Never
 * runs twice at a time: any number of starts during a run are one run after it.
 */
export class OwedTask {
  readonly #options: OwedTaskOptions;
  #isOwed = false;
  #failures = 0;
  #running: Promise<void> | undefined;
  #cancelRetry = () => {};
  #stopped = false;

  constructor(options: OwedTaskOptions) {
    this.#options = options;
  }

  /** Runs it now, or once more after the run that is under way. */
  start(): void {
    if (this.#stopped) return;
    this.#isOwed = true;
    this.#failures = 0;
    this.#cancelRetry();
    this.#go();
  }

  /** Starts nothing more, and waits for the run that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    await this.#running;
  }

  #go(): void {
    this.#running ??= this.#runWhileOwed().finally(() => {
      this.#running = undefined;
    });
  }

  async #runWhileOwed(): Promise<void> {
    while (this.#isOwed && !this.#stopped) {
      this.#isOwed = false;
      try {
        await this.#options.run();
        this.#failures = 0;
      } catch (error) {
        if (this.#stopped) return;
        const againInMs = this.#isOwed ? 0 : backoffMs(++this.#failures, Math.random);
        this.#options.onFailure(error, againInMs);
        if (this.#isOwed) continue;
        this.#cancelRetry = systemClock.after(againInMs, () => {
          this.#isOwed = true;
          this.#go();
        });
        return;
      }
    }
  }
}
