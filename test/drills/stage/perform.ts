import { type Figures, INTERVAL_MS } from './applications.ts';
import type { Drill, DrillReport } from './drill.ts';
import { missing } from './machine.ts';
import { Observer } from './observer.ts';
import { Stage } from './stage.ts';
import type { Timeline } from './timeline.ts';

const NO_FIGURES: Figures = { served: 0, failed: 0, excused: 0, wrong: 0, longestGapMs: 0, longestStalenessMs: 0 };

/** Why a drill can't be played on this machine; undefined where it can. */
export function leftOut({ needs = [] }: Drill): string | undefined {
  return needs.map(missing).find((reason) => reason !== false) || undefined;
}

/** The report of a drill that was not played, or of one that told nothing. */
export function emptyReport(drill: Drill, outcome: 'failed' | 'left out', reason: string): DrillReport {
  return {
    drill: drill.name,
    breaks: drill.breaks,
    holds: drill.holds,
    outcome,
    reason,
    ...NO_FIGURES,
    upstreamCalls: 0,
    convergeMs: null,
    durationMs: 0,
    events: [],
    timeline: null,
  };
}

/** Plays a drill from the first program's start to the last one's end. Never throws: what goes wrong is in the report. */
export async function perform(drill: Drill, note: (line: string) => void): Promise<DrillReport> {
  const reason = leftOut(drill);
  if (reason !== undefined) return emptyReport(drill, 'left out', reason);
  const stage = new Stage(note);
  const report = emptyReport(drill, 'failed', '');
  delete report.reason;
  let observer: Observer | undefined;
  try {
    await stage.setUp(drill.scene ?? {});
    observer = new Observer(() => stage.status(), stage.emulator, stage.begun);
    await drill.run(stage);
    const { applications } = stage;
    await applications.stop();
    const { served } = applications.figures;
    const problem = applications.wrong ?? applications.unexcused ?? (served === 0 ? 'nothing was served' : undefined);
    if (problem !== undefined) throw new Error(problem);
    report.outcome = 'passed';
  } catch (error) {
    report.reason = (error as Error).message;
    stage.failed(report.reason);
  }
  observer?.stop();
  try {
    report.upstreamCalls = stage.upstreamCalls;
    await stage.applications.stop();
    Object.assign(report, stage.applications.figures);
    if (observer) report.timeline = timelineOf(stage, observer);
  } catch {
    // It did not come so far that there was anything to count.
  }
  report.durationMs = Math.round(performance.now() - stage.begun);
  report.events = stage.events;
  report.convergeMs = stage.convergeMs;
  await stage.tearDown();
  return report;
}

function timelineOf({ applications, begun }: Stage, observer: Observer): Timeline {
  const nowMs = Math.round(performance.now() - begun);
  return {
    intervalMs: INTERVAL_MS,
    references: applications.timelines(),
    link: observer.link,
    upstreamCalls: observer.upstreamCalls,
    excused: applications.excuses.map(({ fromMs, toMs, reason }) => ({
      fromMs: Math.round(fromMs),
      toMs: Math.min(nowMs, Math.round(toMs)),
      reason,
    })),
  };
}
