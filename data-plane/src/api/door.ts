import type { Clock } from '@vaultplane/shared/clock.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import type { Rehearsals } from '../rehearsal/rehearsals.ts';
import type { Resolver } from '../secrets/resolver.ts';
import type { Access } from './access.ts';
import type { Lookups } from './lookups.ts';
import type { Refusals } from './refusals.ts';

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
