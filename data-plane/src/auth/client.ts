import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Policy } from './policy.ts';

/** Refreshes that a client may have; one of up to twenty secrets together is one call to AWS, and counts as one. */
const REFRESHES = { atOnce: 200, everyMs: 50 };

/** An application, as its token shows it: what it may read, and what it has under way. */
export class Client {
  /** For logs: the policy's name, or the setting that its token comes from. */
  readonly name: string;
  /** Null: it may read everything. */
  readonly policy: Policy | null;
  /** What the policy was made from, to tell whether a policy read later is another. */
  readonly source: string;
  readonly refreshes: RateLimit;
  /** Lookups that wait for a vault. */
  waiting = 0;
  connections = 0;
  watches = 0;

  constructor(clock: Clock, name: string, policy: Policy | null, source = '') {
    this.name = name;
    this.policy = policy;
    this.source = source;
    this.refreshes = new RateLimit({ clock, ...REFRESHES });
  }
}

/** What a token gives: a client, for as long as the token is taken. */
export interface Grant {
  readonly client: Client;
  /** Of the token. */
  readonly digest: string;
  /** Milliseconds of the clock's monotonic time; Infinity: until its token is replaced. */
  readonly until: number;
}
