import type { Figures } from './applications.ts';
import type { Need } from './machine.ts';
import type { Scene } from './scene.ts';
import type { Stage } from './stage.ts';
import type { DrillEvent, Timeline } from './timeline.ts';

/** One rehearsed outage. Its file reads like the runbook entry for it. */
export interface Drill {
  /** For the command line: small letters, digits and -. */
  name: string;
  /** What is broken. */
  breaks: string;
  /** What must hold meanwhile and after. */
  holds: string;
  /** What this machine must have. */
  needs?: readonly Need[];
  /** About how long it takes, seconds: the longest begin first. */
  seconds: number;
  scene?: Scene;
  run(stage: Stage): Promise<void>;
}

export interface DrillReport extends Figures {
  drill: string;
  breaks: string;
  holds: string;
  outcome: 'passed' | 'failed' | 'left out';
  /** Why it did not pass, or was left out. */
  reason?: string;
  upstreamCalls: number;
  /** From the end of the outage until all was as it should be, milliseconds; null where nothing had to converge. */
  convergeMs: number | null;
  durationMs: number;
  events: DrillEvent[];
  timeline: Timeline | null;
}
