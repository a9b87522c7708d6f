import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Lifetimes } from '@vaultplane/model/vaults/address.ts';
import { Backoff, jitter, type Random } from './backoff.ts';

export type State = 'fresh' | 'stale' | 'resurrected';

/** The last try, where it failed. */
interface Failure {
  readonly error: BackendError;
  readonly triedAt: number;
  /** Null where it is an answer, which is not asked for again. */
  readonly backoff: Backoff | null;
}

/** What is not as after a fetch that brought a value. */
interface Trouble {
  /** Null where nothing has failed since the last answer. */
  readonly failure: Failure | null;
  /** Since the held value was fetched, a fetch has failed. */
  readonly failedSince: boolean;
  /**
   * Where the held value is from before a restart, and nothing has been fetched since: from when on it may be fetched
   * in the background. Else null. The disk can't tell whether it is the newest value or an older one that somebody has
   * put back, so the value is due for a refresh and never fresh.
   */
  readonly restoredUntil: number | null;
}

const NO_TROUBLE: Trouble = { failure: null, failedSince: false, restoredUntil: null };
const MILLION = 1_000_000;

/** Failures of what was never fetched are forgotten this long after the last try. */
const FORGET_FAILURES_MS = 120_000;

/**
 * What is known of one secret over time: what was fetched, and how its fetching has gone since (specification.md §4). Makes
 * no call and keeps no timer: it says what a lookup is to be answered, when a refresh is due and when all is to be
 * forgotten, for a time that it is handed. Lifetimes are handed in at every question, so that a new configuration
 * applies to values already held, and references with lifetimes of their own can share one secret.
 */
export class Lifecycle<V> {
  #held: V | null = null;
  /** Whole milliseconds, as all that is kept for each secret: a number of 32 bits takes no object of its own. */
  #fetchedAt = 0;
  /** Of the held value's refresh time, millionths. */
  #jitter = MILLION;
  /** Null where nothing is known but what the last fetch brought. */
  #trouble: Trouble | null = null;

  /** The value held, whatever its age. */
  get held(): V | null {
    return this.#held;
  }

  /** When the held value was fetched. */
  get fetchedAt(): number {
    return this.#fetchedAt;
  }

  /** A fetch has failed since the held value was fetched. */
  get failedSince(): boolean {
    return this.#known.failedSince;
  }

  /** The held value was fetched before a restart. */
  get restored(): boolean {
    return this.#known.restoredUntil !== null;
  }

  get lastError(): BackendError | null {
    return this.#known.failure?.error ?? null;
  }

  /** Nothing is known yet: the lookup that it was made for is about to ask. */
  get isUnknown(): boolean {
    return this.#held === null && this.#known.failure === null;
  }

  /** The state in which the held value is to be served; null where it is not to be, or none is held. */
  stateFor({ ttl, resurrectTtl }: Lifetimes, now: number): State | null {
    if (this.#held === null) return null;
    const age = now - this.#fetchedAt;
    const isOld = ttl !== 0 && age >= ttl;
    if (!isOld && !this.restored) return 'fresh';
    if (isOld && age >= ttl + resurrectTtl) return null;
    return this.failedSince ? 'resurrected' : 'stale';
  }

  /** Until when the held value is served in this state, unless it is fetched anew or that fails; Infinity for ever. */
  endFor({ ttl, resurrectTtl }: Lifetimes, state: State): number {
    if (ttl === 0) return Infinity;
    return this.#fetchedAt + (state === 'fresh' ? ttl : ttl + resurrectTtl);
  }

  /**
   * For a lookup that `stateFor` gave nothing: the remembered failure to answer with; null where it is to ask. A miss is
   * remembered for neg_ttl; not reaching the vault only for as long as keeps the number of calls bounded.
   */
  refusalFor({ negTtl }: Lifetimes, now: number): BackendError | null {
    const { failure } = this.#known;
    if (failure === null) return null;
    const { error, triedAt, backoff } = failure;
    const until = error.code === 'unavailable' ? (backoff?.lookupsUntil ?? 0) : triedAt + negTtl;
    return now < until ? error : null;
  }

  /** Seconds until a lookup that is refused for an unavailable vault may ask again. */
  retryAfterSeconds(now: number): number {
    return Math.max(1, Math.ceil(((this.#known.failure?.backoff?.lookupsUntil ?? 0) - now) / 1000));
  }

  /** When the held value is to be fetched anew in the background; Infinity for never. */
  dueFor({ ttl, resurrectTtl }: Lifetimes): number {
    if (this.#held === null || (ttl === 0 && !this.restored)) return Infinity;
    // Early enough, where resurrect_ttl is short, for the answer to be there before the value is gone.
    const regular = this.restored ? 0 : Math.min((ttl * this.#jitter) / MILLION, ttl * 0.9 + resurrectTtl);
    const end = ttl === 0 ? Infinity : this.#fetchedAt + ttl + resurrectTtl;
    const { failure, restoredUntil } = this.#known;
    const from = Math.min(restoredUntil ?? 0, end - 1);
    const due = Math.max(this.#fetchedAt + regular, failure?.backoff?.until ?? 0, from);
    return due < end ? due : Infinity;
  }

  /** From when on nothing that is known is of use to anybody; Infinity for never. */
  goneFor({ ttl, negTtl, resurrectTtl }: Lifetimes): number {
    if (this.#held !== null) return ttl === 0 ? Infinity : this.#fetchedAt + ttl + resurrectTtl;
    const { failure } = this.#known;
    if (failure === null) return 0;
    const { error, triedAt } = failure;
    return triedAt + (error.code === 'unavailable' ? FORGET_FAILURES_MS : negTtl);
  }

  fetched(now: number, value: V, random: Random): void {
    this.#hold(value, now, random);
    this.#trouble = null;
  }

  /**
   * Holds again what was held before a restart, as old as it is by now. What is overdue is not fetched before
   * `refreshFrom`, so that all that a program held is not asked for in its first moment.
   */
  restore(value: V, fetchedAt: number, failedSince: boolean, refreshFrom: number, random: Random): void {
    this.#hold(value, fetchedAt, random);
    this.#trouble = { ...this.#known, failedSince, restoredUntil: refreshFrom };
  }

  failed(now: number, error: BackendError, random: Random): void {
    const { failure, restoredUntil } = this.#known;
    // A miss is an answer: only while an old value stands in for it is it asked for again and again.
    const isRetried = error.code === 'unavailable' || this.#held !== null;
    const backoff = isRetried ? (failure?.backoff ?? new Backoff(random)) : null;
    backoff?.failed(now);
    this.#trouble = { failure: { error, triedAt: now, backoff }, failedSince: true, restoredUntil };
  }

  /** Gives up the value, keeping what is known of failures. */
  giveUp(): void {
    this.#held = null;
  }

  #hold(value: V, fetchedAt: number, random: Random): void {
    this.#held = value;
    this.#fetchedAt = Math.floor(fetchedAt);
    this.#jitter = Math.round(jitter(random) * MILLION);
  }

  get #known(): Trouble {
    return this.#trouble ?? NO_TROUBLE;
  }
}
