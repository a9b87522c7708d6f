import type { Lifetimes } from '@vaultplane/shared/backends/address.ts';
import type { BackendError } from '@vaultplane/shared/backends/backend.ts';
import { Backoff, jitter, type Random } from './backoff.ts';

export type State = 'fresh' | 'stale' | 'resurrected';

/** The last try, where it failed. */
interface Failure {
  readonly error: BackendError;
  readonly triedAt: number;
  /** Null where it is an answer, which is not asked for again. */
  readonly backoff: Backoff | null;
}

/** Failures of what was never fetched are forgotten this long after the last try. */
const FORGET_FAILURES_MS = 120_000;

/**
 * What is known of one secret over time: what was fetched, and how its fetching has gone since (CONTRACT.md §4). Makes
 * no call and keeps no timer: it says what a lookup is to be answered, when a refresh is due and when all is to be
 * forgotten, for a time that it is handed. Lifetimes are handed in at every question, so that a new configuration
 * applies to values already held, and references with lifetimes of their own can share one secret.
 */
export class Lifecycle<V> {
  readonly #random: Random;
  /** Null where nothing has failed since the last answer. */
  #failure: Failure | null = null;
  #held: V | null = null;
  #fetchedAt = 0;
  /** Since the held value was fetched, a fetch has failed. */
  #failedSince = false;
  /** Of the held value's refresh time. */
  #jitter = 1;
  /**
   * Where the held value is from before a restart, and nothing has been fetched since: from when on it may be fetched
   * in the background. Else null.
   */
  #restoredUntil: number | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

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
    return this.#failedSince;
  }

  /** The held value was fetched before a restart. */
  get restored(): boolean {
    return this.#restoredUntil !== null;
  }

  get lastError(): BackendError | null {
    return this.#failure?.error ?? null;
  }

  /** Nothing is known yet: the lookup that it was made for is about to ask. */
  get isUnknown(): boolean {
    return this.#held === null && this.#failure === null;
  }

  /** The state in which the held value is to be served; null where it is not to be, or none is held. */
  stateAt(now: number, { ttl, resurrectTtl }: Lifetimes): State | null {
    if (this.#held === null) return null;
    const age = now - this.#fetchedAt;
    if (ttl === 0 || age < ttl) return 'fresh';
    if (age >= ttl + resurrectTtl) return null;
    return this.#failedSince ? 'resurrected' : 'stale';
  }

  /** Until when the held value is served in this state, unless it is fetched anew or that fails; Infinity for ever. */
  endOf(state: State, { ttl, resurrectTtl }: Lifetimes): number {
    if (ttl === 0) return Infinity;
    return this.#fetchedAt + (state === 'fresh' ? ttl : ttl + resurrectTtl);
  }

  /**
   * For a lookup that `stateAt` gave nothing: the remembered failure to answer with; null where it is to ask. A miss is
   * remembered for neg_ttl; not reaching the vault only for as long as keeps the number of calls bounded.
   */
  refusalAt(now: number, { negTtl }: Lifetimes): BackendError | null {
    if (!this.#failure) return null;
    const { error, triedAt, backoff } = this.#failure;
    const until = error.code === 'unavailable' ? (backoff?.lookupsUntil ?? 0) : triedAt + negTtl;
    return now < until ? error : null;
  }

  /** Seconds until a lookup that is refused for an unavailable vault may ask again. */
  retryAfterSeconds(now: number): number {
    return Math.max(1, Math.ceil(((this.#failure?.backoff?.lookupsUntil ?? 0) - now) / 1000));
  }

  /** When the held value is to be fetched anew in the background; Infinity for never. */
  dueAt({ ttl, resurrectTtl }: Lifetimes): number {
    if (this.#held === null || ttl === 0) return Infinity;
    // Early enough, where resurrect_ttl is short, for the answer to be there before the value is gone.
    const regular = Math.min(ttl * this.#jitter, ttl * 0.9 + resurrectTtl);
    const end = this.#fetchedAt + ttl + resurrectTtl;
    const from = Math.min(this.#restoredUntil ?? 0, end - 1);
    const due = Math.max(this.#fetchedAt + regular, this.#failure?.backoff?.until ?? 0, from);
    return due < end ? due : Infinity;
  }

  /** From when on nothing that is known is of use to anybody; Infinity for never. */
  goneAt({ ttl, negTtl, resurrectTtl }: Lifetimes): number {
    if (this.#held !== null) return ttl === 0 ? Infinity : this.#fetchedAt + ttl + resurrectTtl;
    if (!this.#failure) return 0;
    const { error, triedAt } = this.#failure;
    return triedAt + (error.code === 'unavailable' ? FORGET_FAILURES_MS : negTtl);
  }

  fetched(now: number, value: V): void {
    this.#held = value;
    this.#fetchedAt = now;
    this.#failedSince = false;
    this.#restoredUntil = null;
    this.#jitter = jitter(this.#random);
    this.#failure = null;
  }

  /**
   * Holds again what was held before a restart, as old as it is by now. What is overdue is not fetched before
   * `refreshFrom`, so that all that a program held is not asked for in its first moment.
   */
  restore(value: V, fetchedAt: number, failedSince: boolean, refreshFrom: number): void {
    this.#held = value;
    this.#fetchedAt = fetchedAt;
    this.#failedSince = failedSince;
    this.#restoredUntil = refreshFrom;
    this.#jitter = jitter(this.#random);
  }

  failed(now: number, error: BackendError): void {
    this.#failedSince = true;
    // A miss is an answer: only while an old value stands in for it is it asked for again and again.
    const isRetried = error.code === 'unavailable' || this.#held !== null;
    const backoff = isRetried ? (this.#failure?.backoff ?? new Backoff(this.#random)) : null;
    backoff?.failed(now);
    this.#failure = { error, triedAt: now, backoff };
  }

  /** Gives up the value, keeping what is known of failures. */
  drop(): void {
    this.#held = null;
  }
}
