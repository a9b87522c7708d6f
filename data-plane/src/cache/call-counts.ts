import type { UpstreamCall, UpstreamCounts } from '@vaultplane/backends/backend.ts';

/** Calls since the start. */
export type CallCounts = Omit<UpstreamCounts, 'ended'>;

/** Calls to vaults since the start, by type of vault. */
export class CallCountsByType {
  readonly #onEnded: ((call: UpstreamCall, type: string) => void) | undefined;
  readonly #counts = new Map<string, UpstreamCounts>();

  /** @param onEnded is told of each call when it has ended */
  constructor(onEnded?: (call: UpstreamCall, type: string) => void) {
    this.#onEnded = onEnded;
  }

  /** To be counted in. */
  of(type: string): UpstreamCounts {
    const known = this.#counts.get(type);
    if (known) return known;
    const counts: UpstreamCounts = { calls: 0, errors: 0, throttled: 0 };
    const onEnded = this.#onEnded;
    if (onEnded) counts.ended = (call) => onEnded(call, type);
    this.#counts.set(type, counts);
    return counts;
  }

  /** Of types that any call was made to. */
  all(): Record<string, CallCounts> {
    const called = [...this.#counts].filter(([, { calls }]) => calls > 0);
    const counts = called.map(([type, { calls, errors, throttled }]) => [type, { calls, errors, throttled }]);
    return Object.fromEntries(counts);
  }
}
