import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { StatusFacts } from '../status/status-facts.ts';
import { OUTAGES, type Outage, type OutageSwitch } from './outage-switch.ts';
import type { RehearsalFacts } from './rehearsal-facts.ts';

/** What is to be rehearsed. */
export interface RehearsalOrder {
  outage: Outage;
  /** It is over after so long, whoever is still there. */
  seconds: number;
  strict: boolean;
}

export interface RehearsalProgress {
  left_s: number;
  /** Lookups by applications since it began; failed ones by code. */
  lookups: { served: number; failed: Record<string, number> };
  /** Fetches for which nothing was held: lookups that a real outage would have failed. */
  would_have_failed: { times: number; secrets: Array<{ secret: string; times: number }> };
}

export type EndReason = 'time' | 'request' | 'caller gone' | 'data plane stops';

/** What came of a rehearsal. No value is in it. */
export interface RehearsalReport extends Omit<RehearsalProgress, 'left_s'> {
  outage: Outage;
  strict: boolean;
  ended_by: EndReason;
  /** How long it lasted, seconds. */
  lasted_s: number;
  /** What is held at its end, by state. */
  references: StatusFacts['references'];
  /** What a restart in such an outage would have lacked, in words. */
  restart_would_lack: string[];
}

/** Whoever ordered a rehearsal hears of it by these. */
export interface RehearsalListener {
  progress: (progress: RehearsalProgress) => void;
  ended: (report: RehearsalReport) => void;
}

export const LONGEST_SECONDS = 24 * 3600;
const TELL_EVERY_MS = 1000;

export interface RehearsalsOptions {
  outages: OutageSwitch;
  /** The status as it is now. */
  facts: () => StatusFacts;
  /** Ends the link to the control plane, as an outage would. */
  dropLink: () => void;
  clock: Clock;
  log: Log;
}

interface Running {
  order: RehearsalOrder;
  listener: RehearsalListener;
  facts: RehearsalFacts;
  begun: number;
  before: StatusFacts['lookups'];
  cancel: () => void;
}

/**
 * Outages on purpose, one at a time. Each is a lease: it ends by itself when its time is over, and before that as soon as
 * whoever ordered it says so or is gone.
 */
export class Rehearsals {
  readonly #options: RehearsalsOptions;
  #running: Running | null = null;

  constructor(options: RehearsalsOptions) {
    this.#options = options;
  }

  /** The one that goes on; null where none does. */
  get facts(): RehearsalFacts | null {
    return this.#running?.facts ?? null;
  }

  /**
   * Begins one. Gives the function that ends it, if it has not ended yet.
   *
   * @throws VaultplaneError too_many where one goes on, bad_request for what can't be rehearsed
   */
  begin(order: RehearsalOrder, listener: RehearsalListener): (reason: EndReason) => void {
    const { outages, facts, clock, log } = this.#options;
    checkOrder(order);
    if (this.#running) {
      const { outage, ends_at } = this.#running.facts;
      throw new VaultplaneError('too_many', `a drill (${outage}) goes on until ${ends_at}; one at a time`);
    }
    const now = clock.now();
    const running: Running = {
      order,
      listener,
      facts: {
        outage: order.outage,
        strict: order.strict,
        began_at: new Date(now).toISOString(),
        ends_at: new Date(now + order.seconds * 1000).toISOString(),
      },
      begun: clock.monotonic(),
      before: facts().lookups,
      cancel: () => {},
    };
    this.#running = running;
    log.warn({ ...running.facts }, 'a drill begins: this data plane is cut off on purpose');
    outages.cut(order.outage, order.strict);
    this.#tick(running);
    return (reason) => {
      if (this.#running === running) this.#end(reason);
    };
  }

  /** Ends the one that goes on. False where none does. */
  end(reason: EndReason): boolean {
    if (!this.#running) return false;
    this.#end(reason);
    return true;
  }

  stop(): void {
    this.end('data plane stops');
  }

  #tick(running: Running): void {
    const { order, begun, listener } = running;
    const { clock, dropLink } = this.#options;
    const leftMs = begun + order.seconds * 1000 - clock.monotonic();
    if (leftMs <= 0) {
      this.#end('time');
      return;
    }
    running.cancel = clock.after(Math.min(TELL_EVERY_MS, leftMs), () => this.#tick(running));
    // Again and again: a link may just have been on its way.
    if (order.outage === 'cp-outage') dropLink();
    listener.progress({ left_s: Math.ceil(leftMs / 1000), ...this.#figures(running) });
  }

  #end(reason: EndReason): void {
    const running = this.#running!;
    const { outages, clock, log, facts } = this.#options;
    running.cancel();
    this.#running = null;
    const report: RehearsalReport = {
      outage: running.order.outage,
      strict: running.order.strict,
      ended_by: reason,
      lasted_s: Math.round((clock.monotonic() - running.begun) / 100) / 10,
      ...this.#figures(running),
      references: facts().references,
      restart_would_lack: lackingAtRestart(running.order.outage, facts()),
    };
    outages.restore();
    const { would_have_failed: missed, lookups } = report;
    log.warn(
      { outage: report.outage, ended_by: reason, would_have_failed: missed.times, failed: lookups.failed },
      'a drill has ended: this data plane is cut off no more',
    );
    running.listener.ended(report);
  }

  #figures({ before }: Running): Omit<RehearsalProgress, 'left_s'> {
    const { immediate, waited, errors } = this.#options.facts().lookups;
    const failed = Object.entries(errors)
      .map(([code, count]) => [code, count - (before.errors[code] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    return {
      lookups: {
        served: immediate + waited - before.immediate - before.waited,
        failed: Object.fromEntries(failed),
      },
      would_have_failed: this.#options.outages.missed,
    };
  }
}

function checkOrder({ outage, seconds }: RehearsalOrder): void {
  if (!OUTAGES.includes(outage)) {
    throw new VaultplaneError('bad_request', `what can be rehearsed is ${OUTAGES.join(' and ')}`);
  }
  if (!(seconds >= 1 && seconds <= LONGEST_SECONDS)) {
    throw new VaultplaneError('bad_request', `a drill takes 1 to ${LONGEST_SECONDS} seconds`);
  }
}

/** What a data plane that restarts in the outage, as machines do, would have been without. */
function lackingAtRestart(outage: Outage, { config, references, secrets_on_disk }: StatusFacts): string[] {
  if (outage === 'cp-outage') {
    return config.version === null || config.disk_problem !== null
      ? [`its configuration: ${config.disk_problem ?? 'there is none on disk'}`]
      : [];
  }
  const held = references.fresh + references.stale + references.resurrected;
  if (held === 0 || (secrets_on_disk.persisted && secrets_on_disk.problem === null)) return [];
  return [`the values held (of ${held} secrets): ${secrets_on_disk.problem ?? 'secrets_persist is off'}`];
}
