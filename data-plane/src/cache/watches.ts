import { createHmac, randomBytes } from 'node:crypto';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { Backoff, type Random } from './backoff.ts';
import type { Resolved } from './resolved.ts';
import type { SteadyTime } from './steady-time.ts';

export type WatchEvent = Resolved | VaultplaneError;
export type WatchListener = (event: WatchEvent) => void;

interface Watch {
  reference: string;
  /** What each listener was told last, without the value; null: nothing yet. */
  listeners: Map<WatchListener, string | null>;
  resolving: boolean;
  /** The configuration changed while it was being resolved. */
  again: boolean;
  retry: Backoff;
  cancelRetry: () => void;
}

export interface WatchesOptions {
  time: SteadyTime;
  random: Random;
  /** As Resolver.resolve. */
  resolve: (reference: string) => Resolved | Promise<Resolved>;
  /** The first watch of a reference began, or its last one ended. */
  onWatched: (reference: string, watched: boolean) => void;
}

/**
 * References that somebody wants to be told about: the value now, then every other value and every change of state. A
 * watch is a standing lookup: what can't be had is asked for again, at longer and longer intervals.
 */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #watches = new Map<string, Watch>();
  // Values are told apart by a keyed digest, so that none is held here longer than the cache holds it.
  readonly #digestKey = randomBytes(32);
  #stopped = false;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  has(reference: string): boolean {
    return this.#watches.has(reference);
  }

  /** Returns what ends the watch. The listener is never called before this returns, nor after that was called. */
  watch(reference: string, listener: WatchListener): () => void {
    let watch = this.#watches.get(reference);
    if (!watch) {
      const retry = new Backoff(this.#options.random);
      watch = { reference, listeners: new Map(), resolving: false, again: false, retry, cancelRetry() {} };
      this.#watches.set(reference, watch);
    }
    const own: WatchListener = (event) => listener(event);
    watch.listeners.set(own, null);
    if (watch.listeners.size === 1) this.#options.onWatched(reference, true);
    const joined = watch;
    queueMicrotask(() => this.#check(joined));
    return () => this.#leave(joined, own);
  }

  /** Something about what the reference stands for may have changed. */
  changed(reference: string): void {
    const watch = this.#watches.get(reference);
    // A lookup of its own that is under way ends with what there is then, and is what may have changed it.
    if (watch && !watch.resolving) this.#check(watch);
  }

  /** The configuration has changed. */
  configured(): void {
    for (const watch of this.#watches.values()) {
      if (watch.resolving) watch.again = true;
      else this.#check(watch);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const watch of this.#watches.values()) watch.cancelRetry();
    this.#watches.clear();
  }

  #leave(watch: Watch, listener: WatchListener): void {
    if (!watch.listeners.delete(listener) || watch.listeners.size > 0) return;
    watch.cancelRetry();
    if (this.#watches.get(watch.reference) !== watch) return;
    this.#watches.delete(watch.reference);
    this.#options.onWatched(watch.reference, false);
  }

  #check(watch: Watch): void {
    if (this.#stopped || watch.resolving || watch.listeners.size === 0) return;
    let event: Resolved | Promise<Resolved>;
    try {
      event = this.#options.resolve(watch.reference);
    } catch (error) {
      this.#tell(watch, error as VaultplaneError);
      return;
    }
    if (!(event instanceof Promise)) {
      this.#tell(watch, event);
      return;
    }
    watch.resolving = true;
    event.then(
      (resolved) => this.#settled(watch, resolved),
      (error: VaultplaneError) => this.#settled(watch, error),
    );
  }

  #settled(watch: Watch, event: WatchEvent): void {
    watch.resolving = false;
    this.#tell(watch, event);
    if (!watch.again) return;
    watch.again = false;
    this.#check(watch);
  }

  #tell(watch: Watch, event: WatchEvent): void {
    if (this.#stopped || watch.listeners.size === 0) return;
    watch.cancelRetry();
    if (event instanceof VaultplaneError) {
      const { time } = this.#options;
      watch.retry.failed(time.now());
      watch.cancelRetry = time.after(watch.retry.until - time.now(), () => this.#check(watch));
    } else {
      watch.retry.succeeded();
    }
    const telling = this.#describe(event);
    for (const [listener, told] of watch.listeners) {
      if (told === telling) continue;
      watch.listeners.set(listener, telling);
      // In a task of its own, so that what a listener does or throws disturbs nothing here.
      queueMicrotask(() => {
        if (watch.listeners.has(listener)) listener(event);
      });
    }
  }

  #describe(event: WatchEvent): string {
    if (event instanceof VaultplaneError) return `${event.code} ${event.message}`;
    const digest = createHmac('sha256', this.#digestKey).update(event.value).digest('base64');
    return JSON.stringify([event.state, event.version.id, digest]);
  }
}
