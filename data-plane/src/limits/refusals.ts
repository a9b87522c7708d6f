import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** Why a call or a connection was refused before anything was looked up for it. */
export type RefusalReason =
  | 'forwarded'
  | 'foreign_host'
  | 'bad_token'
  | 'too_many_bad_tokens'
  | 'policy'
  | 'role'
  | 'too_many_refreshes'
  | 'too_many_waiting'
  | 'too_many_watches'
  | 'too_many_connections'
  | 'too_much_unread'
  | 'too_large'
  | 'slow_client'
  | 'not_http';

/** What a log line about a refusal may say: names of this configuration, and nothing that the caller sent. */
export interface RefusalFacts {
  client?: string;
  door?: string;
}

/** After the first one, so many milliseconds' refusals of one kind are one line: a caller can't fill the log. */
const GATHERED_MS = 10_000;
const MESSAGE = 'refused';

/** Counts every refusal and tells of it in the log, without anything of what was asked or shown. */
export class Refusals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counts = new Map<RefusalReason, number>();
  readonly #gathered = new Map<string, { count: number; tell: () => void; cancel: () => void }>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  add(reason: RefusalReason, facts: RefusalFacts = {}): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    const kind = `${reason} ${facts.client ?? ''} ${facts.door ?? ''}`;
    const gathered = this.#gathered.get(kind);
    if (gathered) {
      gathered.count++;
      return;
    }
    this.#log.warn({ reason, ...facts, count: 1 }, MESSAGE);
    const more = {
      count: 0,
      tell: () => {
        this.#gathered.delete(kind);
        if (more.count > 0) this.#log.warn({ reason, ...facts, count: more.count }, MESSAGE);
      },
      cancel: () => {},
    };
    more.cancel = this.#clock.after(GATHERED_MS, () => more.tell());
    this.#gathered.set(kind, more);
  }

  /** Tells of what it has gathered. */
  stop(): void {
    for (const gathered of [...this.#gathered.values()]) {
      gathered.cancel();
      gathered.tell();
    }
  }
}
