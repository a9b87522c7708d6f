import type { Lifetimes } from '@vaultplane/shared/backends/address.ts';
import type { BackendError } from '@vaultplane/shared/backends/backend.ts';
import { Backoff, jitter, type Random } from './backoff.ts';

export type State = 'fresh' | 'stale' | 'resurrected';

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
  #backoff: Backoff | null = null;
  #held: V | null = null;
  #fetchedAt = 0;
  /** Since the held value was fetched, a fetch has failed. */
  #failedSince = false;
  /** Of the held value's refresh time. */
  #jitter = 1;
  /** The held value is from before a restart, and nothing has been fetched since. */
  #restored = false;
  #refreshFrom = -Infinity;
  #lastError: BackendError | null = null;
  #lastTriedAt = 0;

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
    return this.#restored;
  }

  get lastError(): BackendError | null {
    return this.#lastError;
  }

  /** Nothing is known yet: the lookup that it was made for is about to ask. */
  get isUnknown(): boolean {
    return this.#held === null && this.#lastError === null;
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
    const error = this.#lastError;
    if (!error) return null;
    const until = error.code === 'unavailable' ? (this.#backoff?.lookupsUntil ?? 0) : this.#lastTriedAt + negTtl;
    return now < until ? error : null;
  }

  /** Seconds until a lookup that is refused for an unavailable vault may ask again. */
  retryAfterSeconds(now: number): number {
    return Math.max(1, Math.ceil(((this.#backoff?.lookupsUntil ?? 0) - now) / 1000));
  }

  /** When the held value is to be fetched anew in the background; Infinity for never. */
  dueAt({ ttl, resurrectTtl }: Lifetimes): number {
    if (this.#held === null || ttl === 0) return Infinity;
    // Early enough, where resurrect_ttl is short, for the answer to be there before the value is gone.
    const regular = Math.min(ttl * this.#jitter, ttl * 0.9 + resurrectTtl);
    const end = this.#fetchedAt + ttl + resurrectTtl;
    const due = Math.max(this.#fetchedAt + regular, this.#backoff?.until ?? 0, Math.min(this.#refreshFrom, end - 1));
    return due < end ? due : Infinity;
  }

  /** From when on nothing that is known is of use to anybody; Infinity for never. */
  goneAt({ ttl, negTtl, resurrectTtl }: Lifetimes): number {
    if (this.#held !== null) return ttl === 0 ? Infinity : this.#fetchedAt + ttl + resurrectTtl;
    if (!this.#lastError) return 0;
    return this.#lastTriedAt + (this.#lastError.code === 'unavailable' ? FORGET_FAILURES_MS : negTtl);
  }

  fetched(now: number, value: V): void {
    this.#held = value;
    this.#fetchedAt = now;
    this.#failedSince = false;
    this.#restored = false;
    this.#refreshFrom = -Infinity;
    this.#jitter = jitter(this.#random);
    this.#lastError = null;
    this.#lastTriedAt = now;
    this.#backoff = null;
  }

  /**
   * Holds again what was held before a restart, as old as it is by now. What is overdue is not fetched before
   * `refreshFrom`, so that all that a program held is not asked for in its first moment.
   */
  restore(value: V, fetchedAt: number, failedSince: boolean, refreshFrom: number): void {
    this.#held = value;
    this.#fetchedAt = fetchedAt;
    this.#failedSince = failedSince;
    this.#restored = true;
    this.#refreshFrom = refreshFrom;
    this.#jitter = jitter(this.#random);
  }

  failed(now: number, error: BackendError): void {
    this.#lastError = error;
    this.#lastTriedAt = now;
    this.#failedSince = true;
    // A miss is an answer: only while an old value stands in for it is it asked for again and again.
    if (error.code === 'unavailable' || this.#held !== null) {
      this.#backoff ??= new Backoff(this.#random);
      this.#backoff.failed(now);
    } else this.#backoff = null;
  }

  /** Gives up the value, keeping what is known of failures. */
  drop(): void {
    this.#held = null;
  }
}
