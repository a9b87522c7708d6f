import type { EmulatorOptions } from '@vaultplane/aws-emulator/emulator.ts';
import type { GcpEmulatorOptions } from '@vaultplane/gcp-emulator/emulator.ts';
import type { Figures } from './applications.ts';
import type { Need } from './machine.ts';
import type { Stage } from './stage.ts';

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

/** What is set up before a drill begins, where it differs from the plain: one of each, and all on one host. */
export interface Scene {
  /** How many control planes; more than one share a Postgres. */
  controlPlanes?: number;
  /** The control plane's database is a Postgres server. */
  postgres?: boolean;
  /** The data plane is a host of its own, behind a link whose packets can be dropped. */
  farDataPlane?: boolean;
  /** The data plane reaches its control plane through a proxy that can be slow, or go dead. */
  linkThroughProxy?: boolean;
  /** Seconds that the data plane and AWS live through in one second of the drill. */
  timeRate?: number;
  /** The data plane's clock can be set. */
  settableClock?: boolean;
  /** The data plane's data_dir is a file system of its own, of so many bytes. */
  dataDirBytes?: number;
  /** The data plane's AWS credentials: its container's role, from the emulator; long-lived keys where not set. */
  credentials?: 'container';
  /** Control planes export their configuration to a file. */
  exported?: boolean;
  /** The data plane keeps what it holds on its disk, encrypted. */
  persist?: boolean;
  /** The cluster's certificate expires so soon after the beginning. */
  certificateLifeSeconds?: number;
  /** ttl and resurrect_ttl of the vault `aws-sm-vault`, and whatever else it is to have. */
  vault?: Record<string, string>;
  emulator?: EmulatorOptions;
  /** There is a Google Cloud too, with a vault in it, and the data plane has its machine's identity there. */
  gcp?: GcpEmulatorOptions;
  /** There is an OpenBao too, with a vault in it, where the data plane logs in by approle. */
  openBao?: boolean;
  /** Settings of every control plane and of the data plane, as environment variables. */
  controlPlaneEnv?: NodeJS.ProcessEnv;
  dataPlaneEnv?: NodeJS.ProcessEnv;
}

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
