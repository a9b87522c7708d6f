import type { Outage } from './outage-switch.ts';

/** The rehearsal that goes on, as /status shows it. */
export interface RehearsalFacts {
  outage: Outage;
  strict: boolean;
  began_at: string;
  ends_at: string;
}
