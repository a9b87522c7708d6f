import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { Clock } from './clock.ts';

/** A moment, by every clock that outlives a process. */
export interface Moment {
  /** Milliseconds since 1970, by a clock that anybody may set. */
  wall: number;
  /** Which boot of the machine; null where that can't be told. */
  boot: string | null;
  /** Milliseconds since that boot, sleep included; nobody can set it. */
  uptime: number;
}

/** The clock that runs from the machine's boot on. */
export interface BootClock {
  readonly boot: string | null;
  /** Milliseconds. */
  uptime(): number;
}

export const systemBootClock: BootClock = { boot: bootId(), uptime: () => uptime() * 1000 };

export function momentNow(clock: Pick<Clock, 'now'>, bootClock: BootClock): Moment {
  return { wall: clock.now(), boot: bootClock.boot, uptime: bootClock.uptime() };
}

/** What a time that can't be measured counts as, milliseconds: a year. */
const UNMEASURED_MS = 365 * 86_400_000;
/** Clocks are corrected by less than this all the time. */
const ROUNDING_MS = 1000;

/**
 * How long ago a moment that was written to disk was, in milliseconds, for deciding what of that age may still be used.
 * No clock is trusted alone, and of two answers the greater holds, so that nothing is ever taken for younger than it is:
 *
 * - The wall clock says the difference. Set forward it says too much, which only makes things older: a machine that
 *   slept looks the same.
 * - In the same boot, the clock since the boot says it too, whatever was done to the wall clock. After another boot at
 *   least the time since that has gone by.
 * - A wall clock that stands before the moment was set back. In the same boot that harms nothing. After another boot
 *   nobody knows how long the machine was off, and it counts as a year: nothing with a shorter life is used, but a
 *   machine whose clock lost its battery still has what may be kept for longer, though none of that is fresh.
 *
 * What this can't see is a clock that was set back while the machine was off, and by less than it was off.
 *
 * @param lastSeenWall the latest that the wall clock is known to have shown since the moment, milliseconds since 1970: a
 *   clock that stands before it was set back, however long ago the moment is
 */
export function elapsedSince(saved: Moment, now: Moment, lastSeenWall = saved.wall): number {
  const byWall = now.wall - saved.wall;
  const known = saved.boot !== null && now.boot !== null;
  const sameBoot = known && saved.boot === now.boot;
  const byUptime = sameBoot ? now.uptime - saved.uptime : known ? now.uptime : 0;
  // A container may be shown an uptime of its own, which begins anew with it.
  const setBack = now.wall < Math.max(saved.wall, lastSeenWall) - ROUNDING_MS && (!sameBoot || byUptime < 0);
  return setBack ? UNMEASURED_MS : Math.max(0, byWall, byUptime);
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
