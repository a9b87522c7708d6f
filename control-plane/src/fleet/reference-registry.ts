import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Database } from '../store/database.ts';
import { jsonbOf } from '../store/jsonb.ts';
import {
  byReference,
  type Census,
  type ReferenceCensus,
  type ReferenceTally,
  type Serving,
} from './reference-census.ts';

/** How often what is new is written, and how much of the time the writing may take at most. */
const WRITE_EVERY_MS = 2000;
const LARGEST_PART_OF_TIME = 1 / 20;
/** A row without news is renewed this often; one that is not renewed for LOST_AFTER_S is of a control plane that has gone. */
const RENEW_EVERY_MS = 5000;
const LOST_AFTER_S = 20;

/** One secret as the whole fleet has it, as GET /clustering/references shows it. */
export interface FleetReference {
  vault: string;
  /** The whole secret's reference. */
  reference: string;
  /** Data planes that hold it, or know that they can't have it. */
  data_planes: number;
  /** Of the oldest value that any of them serves; null where none serves any. */
  oldest_age_s: number | null;
  servings: Array<Omit<Serving, 'oldest_fetched_at'> & { oldest_age_s: number | null }>;
}

export interface FleetReferences {
  references: FleetReference[];
  /** Data planes that tell of references, and those of them that have told of all. */
  data_planes: { telling: number; complete: number };
}

export interface ReferenceRegistryOptions {
  controlPlaneId: string;
  census: ReferenceCensus;
  database: Database;
  clock: Clock;
  log: Log;
}

/**
 * The census of every control plane, in the database, so that each can answer for the whole fleet. It is for people to
 * look at: where it can't be written, data planes are served all the same.
 */
export class ReferenceRegistry {
  readonly #options: ReferenceRegistryOptions;
  #cancelTimer: () => void = () => {};
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of the census that was written last. */
  #revision = 0;
  #written = false;
  #writtenAt = 0;

  private constructor(options: ReferenceRegistryOptions) {
    this.#options = options;
  }

  static async start(options: ReferenceRegistryOptions): Promise<ReferenceRegistry> {
    // What was told to this control plane before it was last killed, and to those that are gone for good.
    await options.database.query(
      "delete from reference_tallies where control_plane_id = $1 or seen_at < now() - interval '1 day'",
      [options.controlPlaneId],
    );
    const registry = new ReferenceRegistry(options);
    registry.#writeAfter(WRITE_EVERY_MS);
    return registry;
  }

  /** Every secret that any data plane holds, of one vault if given, in order of vault and reference. */
  async references(vault?: string): Promise<FleetReferences> {
    const { database, controlPlaneId, census, clock } = this.#options;
    const [own, others] = await Promise.all([
      census.count(),
      database.query<Census>(
        `select tallies, data_planes, complete from reference_tallies
         where control_plane_id <> $1 and seen_at > now() - make_interval(secs => $2)`,
        [controlPlaneId, LOST_AFTER_S],
      ),
    ]);
    const all = [own, ...others];
    const nowSeconds = Math.floor(clock.now() / 1000);
    return {
      references: sum(all.map(({ tallies }) => tallies)).flatMap((tally) =>
        vault === undefined || tally.vault === vault ? [shown(tally, nowSeconds)] : [],
      ),
      data_planes: {
        telling: all.reduce((count, { data_planes }) => count + data_planes, 0),
        complete: all.reduce((count, { complete }) => count + complete, 0),
      },
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    await this.#writing;
    const { database, controlPlaneId } = this.#options;
    if (!this.#written) return;
    await database.query('delete from reference_tallies where control_plane_id = $1', [controlPlaneId]).catch(() => {});
  }

  #writeAfter(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      const began = this.#options.clock.monotonic();
      this.#writing = this.#write().then(() => {
        const took = this.#options.clock.monotonic() - began;
        if (!this.#stopped) this.#writeAfter(Math.max(WRITE_EVERY_MS, took / LARGEST_PART_OF_TIME));
      });
    });
  }

  async #write(): Promise<void> {
    const { census, database, controlPlaneId, clock, log } = this.#options;
    try {
      const { revision } = census;
      if (revision !== this.#revision) {
        const { tallies, data_planes, complete } = await census.count();
        await database.query(
          `insert into reference_tallies (control_plane_id, tallies, data_planes, complete)
           values ($1, $2::jsonb, $3, $4)
           on conflict (control_plane_id) do update
             set tallies = excluded.tallies, data_planes = $3, complete = $4, seen_at = now()`,
          [controlPlaneId, jsonbOf(tallies), data_planes, complete],
        );
        this.#revision = revision;
        this.#written = true;
      } else if (this.#written && clock.monotonic() - this.#writtenAt >= RENEW_EVERY_MS) {
        await database.query('update reference_tallies set seen_at = now() where control_plane_id = $1', [
          controlPlaneId,
        ]);
      } else return;
      this.#writtenAt = clock.monotonic();
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'the registry of references could not be written');
    }
  }
}

/** Lists in order of vault and reference, as one such list. */
function sum(lists: ReadonlyArray<readonly ReferenceTally[]>): ReferenceTally[] {
  const all = new Map<string, ReferenceTally>();
  for (const { vault, reference, servings } of lists.flat()) {
    const key = `${vault}\0${reference}`;
    const known = all.get(key);
    if (!known) {
      all.set(key, { vault, reference, servings: servings.map((serving) => ({ ...serving })) });
      continue;
    }
    for (const serving of servings) {
      const same = known.servings.find(
        ({ version_id, state }) => version_id === serving.version_id && state === serving.state,
      );
      if (!same) known.servings.push({ ...serving });
      else {
        same.data_planes += serving.data_planes;
        same.oldest_fetched_at = older(same.oldest_fetched_at, serving.oldest_fetched_at);
      }
    }
  }
  return [...all.values()].sort(byReference);
}

function shown({ vault, reference, servings }: ReferenceTally, nowSeconds: number): FleetReference {
  const ageOf = (fetchedAt: number | null) => (fetchedAt === null ? null : Math.max(0, nowSeconds - fetchedAt));
  return {
    vault,
    reference,
    data_planes: servings.reduce((count, { data_planes }) => count + data_planes, 0),
    oldest_age_s: ageOf(servings.reduce<number | null>((oldest, { oldest_fetched_at: at }) => older(oldest, at), null)),
    servings: servings
      .map(({ oldest_fetched_at, ...serving }) => ({ ...serving, oldest_age_s: ageOf(oldest_fetched_at) }))
      .sort((a, b) => b.data_planes - a.data_planes),
  };
}

function older(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
