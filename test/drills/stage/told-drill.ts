import { hostname } from 'node:os';
import type { ToldDrill } from '@vaultplane/model/protocol/drill-report.ts';
import type { DrillReport } from './drill.ts';

/** A report as a control plane keeps it; undefined for a drill that was not played. */
export function toldDrill(report: DrillReport, ended: Date): ToldDrill | undefined {
  const { drill, outcome, reason, served, failed, wrong, longestGapMs, longestStalenessMs } = report;
  if (outcome === 'left out') return undefined;
  return {
    name: drill,
    host: hostname(),
    started_at: new Date(ended.getTime() - report.durationMs).toISOString(),
    ended_at: ended.toISOString(),
    passed: outcome === 'passed',
    lookups: served + failed,
    wrong_answers: wrong,
    longest_gap_ms: Math.round(longestGapMs),
    longest_staleness_ms: Math.round(longestStalenessMs),
    problems: reason === undefined || reason === '' ? [] : [reason],
  };
}
