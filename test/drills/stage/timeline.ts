/** What happened in a drill, in words: a step done, something broken or mended, what was seen, and what held. */
export interface DrillEvent {
  atMs: number;
  kind: 'step' | 'breaks' | 'mends' | 'saw' | 'held' | 'failed';
  text: string;
}

/** One watched reference over time: one letter an interval, as in `LETTERS`. */
export interface ReferenceTimeline {
  reference: string;
  states: string;
}

/** The data plane and its surroundings over time; one entry an interval. */
export interface Timeline {
  intervalMs: number;
  references: ReferenceTimeline[];
  /** As in `LETTERS`. */
  link: string;
  /** Calls that AWS received. */
  upstreamCalls: number[];
  /** When lookups were expected to fail, and why. */
  excused: Array<{ fromMs: number; toMs: number; reason: string }>;
}

/** Letters of the timelines. The worst of an interval counts. */
export const LETTERS = {
  fresh: 'f',
  stale: 's',
  resurrected: 'r',
  failed: 'x',
  wrong: 'w',
  connected: 'c',
  disconnected: 'd',
  down: '-',
  nothing: '.',
} as const;
