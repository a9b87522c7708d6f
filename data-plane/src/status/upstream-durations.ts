import type { UpstreamCall } from '@vaultplane/backends/backend.ts';

/** A call to a vault that has ended. */
export interface EndedCall extends UpstreamCall {
  /** Of the vault. */
  type: string;
}

/** How long calls to vaults took; made before what makes the calls. */
export class UpstreamDurations {
  readonly #calls: EndedCall[] = [];
  #observe = (call: EndedCall): void => {
    this.#calls.push(call);
  };

  readonly ended = (call: UpstreamCall, type: string): void => this.#observe({ ...call, type });

  /** From now on, and for what has been until now. */
  observeBy(observe: (call: EndedCall) => void): void {
    this.#observe = observe;
    for (const call of this.#calls.splice(0)) observe(call);
  }
}
