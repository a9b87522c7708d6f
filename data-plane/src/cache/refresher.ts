import type { Random } from './backoff.ts';
import type { Cache } from './cache.ts';
import { DueQueue } from './due-queue.ts';
import type { Entry } from './entry.ts';
import type { SteadyTime } from './steady-time.ts';
import type { Upstream } from './upstream.ts';

/** Refreshes due this soon after one that is due now go with it, milliseconds: a batch costs one call. */
const TOGETHER_MS = 1000;
/**
 * A call has room for so many (specification.md §4); where fewer are due, those go with them that would be due next, up to so
 * many milliseconds later.
 */
const CALL_SIZE = 20;
const FILL_MS = 60_000;
/** Nor is a refresh drawn forward by more than this part of its ttl, which is its jitter. */
const TOGETHER_PART = 0.1;
/** Watchers are told that a value is stale when its refresh is this overdue, milliseconds: not at every rotation. */
const OVERDUE_MS = 1000;

/** After a throttle, what was due meanwhile is spread over this long, milliseconds. */
const SPREAD_MS = 5000;

export interface RefresherOptions {
  time: SteadyTime;
  random: Random;
  cache: Cache;
  upstream: Upstream;
  /** The state in which an entry is served may have changed with time alone. */
  onAged: (entry: Entry) => void;
}

/** Background work: refreshes when they are due, and forgetting what is of no use any more. One timer for all of it. */
export class Refresher {
  readonly #options: RefresherOptions;
  readonly #queue = new DueQueue<'refreshPlace', Entry>('refreshPlace');
  #timer: { at: number; cancel: () => void } | null = null;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** Something about the entry has changed: when it is to be looked at again is worked out anew. */
  schedule(entry: Entry): void {
    this.#queue.set(entry, this.#nextFor(entry));
    this.#arm();
  }

  /** The entry has left the cache. */
  unschedule(entry: Entry): void {
    this.#queue.delete(entry);
    this.#arm();
  }

  /**
   * Does what is due by now and has not been done, because the clock was set forward or the machine slept: timers know
   * nothing of that.
   */
  catchUp(now: number): void {
    if (this.#queue.earliest <= now) this.#run();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #nextFor(entry: Entry): number {
    if (entry.dropped) return Infinity;
    const gone = entry.goneAt();
    const held = entry.held !== null;
    // What is being fetched for the first time is not forgotten before it is known.
    if (entry.flight) return held ? Math.min(gone, this.#agesAt(entry)) : Infinity;
    return Math.min(gone, entry.refreshAt(), this.#agesAt(entry));
  }

  /** When a watched value is to be called stale, or to be served no more; Infinity where nobody watches. */
  #agesAt(entry: Entry): number {
    if (entry.held === null || !entry.watched) return Infinity;
    const now = this.#options.time.now();
    let next = Infinity;
    for (const { ttl, resurrectTtl } of entry.lifetimes) {
      if (ttl === 0) continue;
      for (const at of [ttl * 1.1 + OVERDUE_MS, ttl + resurrectTtl]) {
        const change = entry.fetchedAt + at;
        if (change > now) next = Math.min(next, change);
      }
    }
    return next;
  }

  #arm(): void {
    const at = this.#queue.earliest;
    if (this.#timer?.at === at) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (at === Infinity) return;
    const { time } = this.#options;
    const cancel = time.after(Math.max(0, at - time.now()), () => {
      this.#timer = null;
      this.#run();
    });
    this.#timer = { at, cancel };
  }

  #run(): void {
    const { time, cache, upstream, random, onAged } = this.#options;
    const now = time.now();
    /** How many are fetched now, by identity. */
    const fetched = new Map<string, number>();
    const aged: Entry[] = [];
    for (const entry of this.#queue.dueUntil(now)) {
      if (entry.goneAt() <= now) {
        if (entry.flight) this.#wipe(entry);
        else cache.drop(entry);
        aged.push(entry);
        continue;
      }
      const paused = upstream.pausedUntil(entry);
      if (entry.flight || entry.refreshAt() > now) {
        aged.push(entry);
        this.#queue.set(entry, this.#nextFor(entry));
      } else if (paused > now) {
        aged.push(entry);
        // A vault that is left alone keeps nothing beyond its end.
        this.#queue.set(entry, Math.min(paused + random() * SPREAD_MS, entry.goneAt(), this.#agesAt(entry)));
      } else {
        this.#refresh(entry, fetched);
      }
    }
    if (fetched.size > 0) {
      for (const entry of this.#queue.dueUntil(now + TOGETHER_MS)) {
        if (fetched.has(entry.scope.identity) && this.#mayGoEarly(entry, now)) this.#refresh(entry, fetched);
      }
      this.#fillCalls(fetched, now);
    }
    this.#arm();
    // Last, because whoever is told may look up, and lookups come back here.
    for (const entry of aged) onAged(entry);
  }

  /** A call that goes out anyway takes along those that are due next, where it has room. */
  #fillCalls(fetched: Map<string, number>, now: number): void {
    const hasRoom = ({ scope }: Entry) => (fetched.get(scope.identity) ?? CALL_SIZE) < CALL_SIZE;
    if ([...fetched.values()].every((count) => count >= CALL_SIZE)) return;
    const next = this.#queue.dueUntil(now + FILL_MS).filter((entry) => hasRoom(entry) && this.#mayGoEarly(entry, now));
    next.sort((a, b) => this.#queue.dueAt(a) - this.#queue.dueAt(b));
    for (const entry of next) if (hasRoom(entry)) this.#refresh(entry, fetched);
  }

  #refresh(entry: Entry, fetched: Map<string, number>): void {
    const { identity } = entry.scope;
    fetched.set(identity, (fetched.get(identity) ?? 0) + 1);
    void this.#options.upstream.fetch(entry);
    this.#queue.set(entry, this.#nextFor(entry));
  }

  /** A retry keeps its time: backing off is what it is for. Nor is anything asked for before its jitter would have. */
  #mayGoEarly(entry: Entry, now: number): boolean {
    if (entry.flight || entry.lastError) return false;
    const early = entry.refreshAt() - now;
    let shortest = Infinity;
    for (const { ttl } of entry.lifetimes) if (ttl > 0 && ttl < shortest) shortest = ttl;
    const age = now - entry.fetchedAt;
    return early <= Math.min(FILL_MS, shortest * TOGETHER_PART) && age >= shortest * (1 - TOGETHER_PART);
  }

  #wipe(entry: Entry): void {
    entry.forget();
    entry.giveUp();
    this.#options.cache.resized(entry);
    this.#queue.set(entry, this.#nextFor(entry));
  }
}
