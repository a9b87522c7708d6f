import type { UpstreamCall } from '@vaultplane/shared/backends/backend.ts';

/** How long calls to AWS took; made before what makes the calls. */
export class UpstreamDurations {
  readonly #calls: Array<UpstreamCall> = [];
  #observe = (call: UpstreamCall): void => {
    this.#calls.push(call);
  };

  readonly ended = (call: UpstreamCall): void => this.#observe(call);

  /** From now on, and for what has been until now. */
  observeBy(observe: (call: UpstreamCall) => void): void {
    this.#observe = observe;
    for (const call of this.#calls.splice(0)) observe(call);
  }
}
