import type { DrillReport } from './drill.ts';

/** What `figures` gives, by name. */
export const FIGURES = [
  'served',
  'failed',
  'wrong',
  'longest gap',
  'stalest',
  'AWS calls',
  'converged in',
  'took',
] as const;

/** The reports as a table for a terminal, and why those that did not pass did not. */
export function reportTable(reports: readonly DrillReport[]): string {
  const rows = [
    ['drill', 'passed', ...FIGURES],
    ...reports.map((report) => [report.drill, passed(report), ...figures(report)]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '),
  );
  const reasons = reports
    .filter(({ reason }) => reason)
    .map(({ drill, outcome, reason }) => `${drill} ${outcome}: ${reason}`);
  const count = (outcome: DrillReport['outcome']) => reports.filter((report) => report.outcome === outcome).length;
  const sum = `${count('passed')} passed, ${count('failed')} failed, ${count('left out')} left out`;
  return `${[...lines, ...reasons, sum].join('\n')}\n`;
}

function passed({ outcome }: DrillReport): string {
  return { passed: 'yes', failed: 'NO', 'left out': '–' }[outcome];
}

/** The figures that every drill states, as text. */
export function figures(report: DrillReport): string[] {
  if (report.outcome === 'left out') return FIGURES.map(() => '–');
  const { served, failed, excused, wrong, longestGapMs, longestStalenessMs, upstreamCalls, convergeMs, durationMs } =
    report;
  return [
    String(served),
    // Those that the drill says must fail, such as while the process is down, and any other.
    failed === excused ? (failed === 0 ? '0' : `0 (+${excused})`) : `${failed - excused} (+${excused})`,
    String(wrong),
    duration(longestGapMs),
    duration(longestStalenessMs),
    String(upstreamCalls),
    convergeMs === null ? '–' : duration(convergeMs),
    duration(durationMs),
  ];
}

export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
