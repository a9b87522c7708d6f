import type { Answer, DataPlane } from '../e2e/deployment.ts';

/** What an application beside the data plane saw while a drill went on. */
export interface TrafficFigures {
  served: number;
  failed: number;
  /** Answers that were no value which the secret has ever had: always 0. */
  wrong: number;
  /** Longest time between two answers in a row that served, milliseconds. */
  longestGapMs: number;
  /** Greatest age of a served value, from `fetched_at`, milliseconds. */
  longestStalenessMs: number;
}

/** An application that looks a reference up again and again, one lookup after the other, until it is stopped. */
export class Traffic {
  readonly #figures: TrafficFigures = { served: 0, failed: 0, wrong: 0, longestGapMs: 0, longestStalenessMs: 0 };
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #lastServed = performance.now();

  constructor(dataPlane: DataPlane, reference: string, isRight: (value: string) => boolean, pauseMs = 5) {
    this.#ended = this.#run(dataPlane, reference, isRight, pauseMs);
  }

  async stop(): Promise<TrafficFigures> {
    this.#stop.abort();
    await this.#ended;
    return this.#figures;
  }

  async #run(
    dataPlane: DataPlane,
    reference: string,
    isRight: (value: string) => boolean,
    pauseMs: number,
  ): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const answer = await dataPlane.resolve(reference).catch((): undefined => undefined);
      this.#count(answer, isRight);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    this.#gap();
  }

  #count(answer: Answer | undefined, isRight: (value: string) => boolean): void {
    if (answer?.value === undefined) {
      this.#figures.failed++;
      return;
    }
    this.#figures.served++;
    if (!isRight(answer.value)) this.#figures.wrong++;
    const age = Date.now() - Date.parse(String(answer.fetched_at));
    this.#figures.longestStalenessMs = Math.max(this.#figures.longestStalenessMs, age);
    this.#gap();
    this.#lastServed = performance.now();
  }

  #gap(): void {
    this.#figures.longestGapMs = Math.max(this.#figures.longestGapMs, performance.now() - this.#lastServed);
  }
}
