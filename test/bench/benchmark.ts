/** One figure taken of vaultplane and of its baseline in turn, in one run, so that a noisy machine is noisy for both. */
export interface Benchmark {
  name: string;
  /** What is measured, of both. */
  unit: string;
  baseline: string;
  /** The least ratio of vaultplane's figure to the baseline's that is good enough; higher figures are better. */
  target: number;
  /** Makes both ready; each `measure…` gives one figure of `unit`. */
  prepare(): Promise<Prepared>;
}

export interface Prepared {
  measureBaseline(): Promise<number>;
  measureVaultplane(): Promise<number>;
  stop(): Promise<void>;
}

export interface BenchmarkResult {
  name: string;
  unit: string;
  baseline: { name: string; median: number; min: number; max: number };
  vaultplane: { median: number; min: number; max: number };
  /** Median of the ratios, round by round. */
  ratio: number;
  target: number;
  met: boolean;
}

/** One round of each to warm up, not counted, and then `rounds` of both, in turn. */
export async function runBenchmark(
  benchmark: Benchmark,
  rounds: number,
  note: (line: string) => void,
): Promise<BenchmarkResult> {
  const prepared = await benchmark.prepare();
  const baseline: number[] = [];
  const vaultplane: number[] = [];
  try {
    for (let round = 0; round <= rounds; round++) {
      note(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
      const pair = [await prepared.measureBaseline(), await prepared.measureVaultplane()] as const;
      if (round === 0) continue;
      baseline.push(pair[0]);
      vaultplane.push(pair[1]);
    }
  } finally {
    await prepared.stop();
  }
  const ratio = median(vaultplane.map((figure, round) => figure / baseline[round]!));
  return {
    name: benchmark.name,
    unit: benchmark.unit,
    baseline: { name: benchmark.baseline, ...spread(baseline) },
    vaultplane: spread(vaultplane),
    ratio,
    target: benchmark.target,
    met: ratio >= benchmark.target,
  };
}

function spread(figures: readonly number[]): { median: number; min: number; max: number } {
  return { median: median(figures), min: Math.min(...figures), max: Math.max(...figures) };
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
