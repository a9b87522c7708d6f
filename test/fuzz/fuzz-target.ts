import fc from 'fast-check';

/** Something that must hold whatever the input, and inputs for it. */
export interface FuzzTarget {
  name: string;
  /** Another name that it is run by, together with what is called so. */
  partOf?: string;
  /** What one input is, in the plural. */
  inputs: string;
  /** How many of them a run tries that is not told otherwise. */
  usual: number;
  /** How many are tried between two looks at the clock: about a second's worth at most. */
  slice: number;
  /**
   * Tries that many inputs, made from the seed.
   *
   * @returns the smallest input found for which it does not hold, as text; undefined where there is none
   */
  attempt(seed: number, count: number): Promise<string | undefined> | string | undefined;
  /** Ends what attempts have started. */
  stop?(): Promise<void>;
}

export interface FuzzLimits {
  /** How many inputs; infinite where only the time is to end it. */
  inputs: number;
  /** Milliseconds. */
  forMs: number;
  seed: number;
  signal?: AbortSignal;
  /** Told after every slice. */
  onProgress?: (tried: number) => void;
}

export interface FuzzResult {
  tried: number;
  finding: string | undefined;
}

/** Tries inputs until there is a finding, or a limit is reached. Lets the event loop turn between slices. */
export async function fuzz(target: FuzzTarget, limits: FuzzLimits): Promise<FuzzResult> {
  try {
    return await tryAll(target, limits);
  } finally {
    await target.stop?.();
  }
}

async function tryAll(target: FuzzTarget, limits: FuzzLimits): Promise<FuzzResult> {
  const end = performance.now() + limits.forMs;
  let tried = 0;
  for (let turn = 0; tried < limits.inputs && performance.now() < end && !limits.signal?.aborted; turn++) {
    const count = Math.min(target.slice, limits.inputs - tried);
    const seed = (limits.seed + turn) | 0;
    const finding = await target.attempt(seed, count);
    if (finding !== undefined) return { tried, finding: `${finding}\n(seed ${seed}, ${count} ${target.inputs})` };
    tried += count;
    limits.onProgress?.(tried);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { tried, finding: undefined };
}

/** What fast-check finds against a predicate that throws. */
export function findingOf<T>(inputs: fc.Arbitrary<T>, holds: (input: T) => void, seed: number, count: number) {
  const outcome = fc.check(fc.property(inputs, holds), { seed, numRuns: count });
  if (!outcome.failed) return undefined;
  return `${fc.stringify(outcome.counterexample?.[0])}: ${outcome.errorInstance}`;
}
