import type { Queryable } from './database.ts';

/** Where the database stands; the hash is for whoever has the entities (fleet/publisher.ts). */
export interface StorePosition {
  timeline: string;
  version: number;
}

/** Where the database stood when it was looked at. */
export interface MarkedPosition extends StorePosition {
  /** Another after each write, also where a database that was put back to an earlier point has come to this version again. */
  mark: string;
}

/** In a statement on config_state: what wrote its row last, and since when there is the server that says so. */
export const MARK = `(config_state.xmin::text || '@' || extract(epoch from pg_postmaster_start_time())::text)`;
/** Columns of a MarkedPosition. */
export const MARKED_POSITION = `timeline, config_state.version, ${MARK} as mark`;

export async function positionOf(database: Queryable): Promise<StorePosition> {
  const [state] = await database.query<StorePosition>('select timeline, version from config_state');
  return state!;
}
