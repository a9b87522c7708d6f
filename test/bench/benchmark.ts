import { Stoppers } from '@vaultplane/platform/lifecycle.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';

/** What one measurement gives: figures by name, such as `rate` and `p99`. */
export type Figures = Record<string, number>;

/** What a figure of vaultplane's must be: by itself, or as a ratio to a baseline's of the same run. */
export type Target =
  | { ratioAtLeast: number }
  | { ratioAtMost: number }
  | { atMost: number }
  /** Worth a row, with nothing to reach. */
  | 'shown';

export interface Metric {
  /** Its name in Figures. */
  key: string;
  unit: string;
  /** Digits behind the point in tables; 0 where not said. */
  digits?: number;
}

/** Something else that does the same work, measured in turn with vaultplane. */
export interface Baseline {
  name: string;
  measure(): Promise<Figures>;
  /** By a metric's key. */
  targets: Record<string, Target>;
}

/** One situation in which vaultplane is measured, and what it is held against. */
export interface Case {
  name: string;
  metrics: readonly Metric[];
  measure(): Promise<Figures>;
  baselines: readonly Baseline[];
  /** What vaultplane's figures must be by themselves. */
  targets?: Record<string, Target>;
  /** Measured so often where less than what was asked for is enough, because a figure is a count or takes minutes. */
  mostRounds?: number;
  /** A first round that is not counted; true where not said. */
  warmUp?: boolean;
}

export interface Surroundings {
  /** Ends whatever is under way; a measurement throws then. */
  signal: AbortSignal;
  /** Says what takes long now. */
  note(text: string): void;
  /** Says what is left out of this run, and why. */
  leaveOut(text: string): void;
  /** Sizes of a few, to see that everything works; the figures then mean nothing. */
  tiny: boolean;
  /** Only cases in whose names this stands are measured; '' is all. */
  only: string;
}

/** Surroundings of one benchmark. */
export interface Preparation extends Surroundings {
  /** Stops in the end what has been started, also where the preparation fails half-way. */
  stoppers: Stoppers;
}

export interface Benchmark {
  name: string;
  /** One line: what is measured, against what. */
  title: string;
  /** Makes everything ready. Each measurement checks what it is answered, and throws where an answer is wrong or missing. */
  prepare(preparation: Preparation): Promise<Prepared>;
}

export interface Prepared {
  cases: readonly Case[];
}

export interface Spread {
  median: number;
  min: number;
  max: number;
  /** Round by round. */
  rounds: number[];
}

/** One figure of vaultplane's, beside one baseline's or alone. */
export interface Row {
  benchmark: string;
  case: string;
  metric: string;
  unit: string;
  digits: number;
  vaultplane: Spread;
  baseline: ({ name: string } & Spread) | null;
  /** Median of the ratios to the baseline, round by round. */
  ratio: number | null;
  target: Target;
  /** Null where there is nothing to meet. */
  met: boolean | null;
}

/** All cases of a benchmark: of each a round to warm up, and then `rounds` in which baselines and vaultplane take turns. */
export async function runBenchmark(benchmark: Benchmark, rounds: number, surroundings: Surroundings): Promise<Row[]> {
  const { note } = surroundings;
  note('preparing');
  const stoppers = new Stoppers(silentLog);
  try {
    const prepared = await benchmark.prepare({ ...surroundings, stoppers });
    const rows: Row[] = [];
    const cases = prepared.cases.filter(({ name }) => name.includes(surroundings.only));
    if (cases.length === 0 && prepared.cases.length > 0) {
      throw new Error(
        `no case has ${surroundings.only} in its name; there are: ${prepared.cases.map(({ name }) => name).join('; ')}`,
      );
    }
    for (const [index, one] of cases.entries()) {
      const place = `${one.name} (${index + 1} of ${cases.length})`;
      const noteThere = (text: string) => note(`${place}: ${text}`);
      rows.push(...(await runCase(benchmark.name, one, rounds, { ...surroundings, note: noteThere })));
    }
    return rows;
  } finally {
    await stoppers.stop();
  }
}

async function runCase(
  benchmark: string,
  one: Case,
  asked: number,
  { note, signal, tiny }: Surroundings,
): Promise<Row[]> {
  const rounds = Math.min(asked, one.mostRounds ?? asked);
  const taken: Array<{ vaultplane: Figures; baselines: Figures[] }> = [];
  for (let round = one.warmUp === false || tiny ? 1 : 0; round <= rounds; round++) {
    note(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
    const baselines: Figures[] = [];
    for (const baseline of one.baselines) {
      signal.throwIfAborted();
      baselines.push(await baseline.measure());
    }
    signal.throwIfAborted();
    const vaultplane = await one.measure();
    if (round > 0) taken.push({ vaultplane, baselines });
  }
  return one.metrics.flatMap(({ key, unit, digits = 0 }): Row[] => {
    const own = taken.map(({ vaultplane }) => figure(vaultplane, key, one.name));
    const base = { benchmark, case: one.name, metric: key, unit, digits, vaultplane: spread(own) };
    const beside = one.baselines.flatMap((baseline, index): Row[] => {
      const target = baseline.targets[key];
      if (target === undefined) return [];
      const theirs = taken.map(({ baselines }) => figure(baselines[index]!, key, baseline.name));
      const ratio = median(own.map((value, round) => ratioOf(value, theirs[round]!)));
      return [
        { ...base, baseline: { name: baseline.name, ...spread(theirs) }, ratio, target, met: met(target, base, ratio) },
      ];
    });
    const target = one.targets?.[key];
    const alone: Row[] =
      target === undefined ? [] : [{ ...base, baseline: null, ratio: null, target, met: met(target, base, null) }];
    return [...beside, ...alone];
  });
}

/** Two figures too small for the instrument, such as latencies below a millisecond, are equal as far as it can tell. */
function ratioOf(own: number, theirs: number): number {
  return own === 0 && theirs === 0 ? 1 : own / theirs;
}

function figure(figures: Figures, key: string, who: string): number {
  const value = figures[key];
  if (value === undefined || !Number.isFinite(value)) throw new Error(`${who} gave no figure ${key}`);
  return value;
}

function met(target: Target, { vaultplane }: { vaultplane: Spread }, ratio: number | null): boolean | null {
  if (target === 'shown') return null;
  if ('atMost' in target) return vaultplane.median <= target.atMost;
  if (ratio === null) throw new Error('a target that is a ratio needs a baseline');
  return 'ratioAtLeast' in target ? ratio >= target.ratioAtLeast : ratio <= target.ratioAtMost;
}

function spread(figures: number[]): Spread {
  return { median: median(figures), min: Math.min(...figures), max: Math.max(...figures), rounds: figures };
}

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
