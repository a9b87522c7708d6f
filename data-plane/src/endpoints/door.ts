import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Access } from '../auth/access.ts';
import type { Resolver } from '../cache/resolver.ts';
import type { Rehearsals } from '../fault-injection/rehearsals.ts';
import type { Refusals } from '../limits/refusals.ts';
import type { Lookups } from './lookups.ts';

/** What the doors for applications work with. */
export interface Door {
  lookups: Lookups;
  resolver: Resolver;
  access: Access;
  refusals: Refusals;
  rehearsals: Rehearsals;
  /** The version of the configuration in use; null before there is one. */
  configVersion: () => number | null;
  clock: Clock;
  log: Log;
}
