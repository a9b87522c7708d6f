import { canonicalJson } from '@vaultplane/model/snapshots/canonical.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { DataPlane } from '../fleet/data-plane-facts.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Publisher } from '../fleet/publisher.ts';

/** How often the fleet is looked at while somebody listens: data planes of other control planes are told by the database only. */
export const LOOK_EVERY_MS = 1000;

/** What a listener is told. The first of each kind has everything, each later one what has changed since. */
export type FleetEvent =
  /** The position of the configuration that is in force. */
  | { event: 'config'; data: Publisher['position'] }
  /** Whether the database can be read by this control plane. */
  | { event: 'database'; data: { reachable: boolean } }
  /** Data planes that are new or different, whole, and the ids of those that are forgotten. A mere last_seen is no news. */
  | { event: 'data-planes'; data: { changed: DataPlane[]; gone: string[] } };

export interface FleetFeedOptions {
  fleet: Pick<Fleet, 'dataPlanes'>;
  publisher: Pick<Publisher, 'position' | 'databaseError' | 'follow'>;
  clock: Clock;
  log: Log;
}

type Listener = (event: FleetEvent) => void;

/** Tells what happens in the fleet to any number of listeners, for the cost of one look a second; for none when nobody listens. */
export class FleetFeed {
  readonly #options: FleetFeedOptions;
  readonly #listeners = new Set<Listener>();
  /** How many listen, or are about to. */
  #wanted = 0;
  /** By id, the text of what was told last. */
  #told = new Map<string, { text: string; row: DataPlane }>();
  #toldReachable: boolean | undefined;
  #looking: Promise<void> | undefined;
  #cancelTimer: () => void = () => {};
  #unfollow: () => void = () => {};

  constructor(options: FleetFeedOptions) {
    this.#options = options;
  }

  /** @returns what ends it */
  async listen(listener: Listener): Promise<() => void> {
    const { publisher } = this.#options;
    if (this.#wanted++ === 0) {
      this.#told = new Map();
      this.#toldReachable = undefined;
      this.#unfollow = publisher.follow(() => this.#tell({ event: 'config', data: publisher.position }));
    }
    await this.#look();
    listener({ event: 'config', data: publisher.position });
    listener({ event: 'database', data: { reachable: publisher.databaseError === undefined } });
    listener({ event: 'data-planes', data: { changed: [...this.#told.values()].map(({ row }) => row), gone: [] } });
    this.#listeners.add(listener);
    this.#lookLater();
    return () => {
      if (!this.#listeners.delete(listener) || --this.#wanted > 0) return;
      this.#cancelTimer();
      this.#unfollow();
    };
  }

  #lookLater(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      void this.#look().then(() => {
        if (this.#listeners.size > 0) this.#lookLater();
      });
    });
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { fleet, publisher, log } = this.#options;
    const reachable = publisher.databaseError === undefined;
    if (this.#toldReachable !== reachable) this.#tell({ event: 'database', data: { reachable } });
    this.#toldReachable = reachable;
    // Without the database nothing is known of the data planes of other control planes: they are not gone.
    if (!reachable) return;
    try {
      const rows = await fleet.dataPlanes();
      const now = new Map(rows.map((row) => [row.id, { text: canonicalJson({ ...row, last_seen: 0 }), row }]));
      const changed = rows.filter(({ id }) => this.#told.get(id)?.text !== now.get(id)!.text);
      const gone = [...this.#told.keys()].filter((id) => !now.has(id));
      this.#told = now;
      if (changed.length + gone.length > 0) this.#tell({ event: 'data-planes', data: { changed, gone } });
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'the fleet could not be looked at');
    }
  }

  #tell(event: FleetEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
