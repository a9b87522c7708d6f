/**
 * Runs something that looks at how things are, one run at a time. Whoever asks for a run gets one that begins after that:
 * a run that is under way may have looked before what the caller knows of had happened.
 */
export class FreshRuns {
  readonly #run: () => Promise<void>;
  #going: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  /** @param run never rejects */
  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Settles with the run. Those who ask during a run share the next one. */
  start(): Promise<void> {
    if (this.#going === null) {
      this.#going = this.#run().finally(() => {
        this.#going = null;
      });
      return this.#going;
    }
    this.#next ??= this.#going.then(() => {
      this.#next = null;
      return this.start();
    });
    return this.#next;
  }

  /** Settles when what is going now has ended. */
  async ended(): Promise<void> {
    await (this.#next ?? this.#going);
  }
}
