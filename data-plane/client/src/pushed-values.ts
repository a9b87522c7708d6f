import { ClientError } from './client-error.ts';
import { HeldSecret } from './held-secret.ts';
import type { Secret, WatchEvent } from './secret.ts';
import { Subscription } from './subscription.ts';
import type { Transport } from './transport.ts';

/**
 * How the client hears of rotations: `idle` before a value was asked for; `connected`: values are answered from memory, and
 * are what the data plane has; `connecting` and `disconnected`: it is asked, and what is held stands in only for as long
 * as it is fresh.
 */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'disconnected';

/**
 * The values that were asked for, kept as they are at the data plane for as long as that tells of their changes.
 *
 * @internal
 */
export class PushedValues {
  readonly #transport: Transport;
  readonly #maxHeld: number;
  readonly #held = new Map<string, HeldSecret>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners = new Map<string, Set<(event: WatchEvent) => void>>();
  readonly #stateListeners = new Set<(state: ClientState) => void>();
  #state: ClientState = 'idle';

  constructor(transport: Transport, maxHeld: number) {
    this.#transport = transport;
    this.#maxHeld = maxHeld;
  }

  get state(): ClientState {
    return this.#state;
  }

  onState(listener: (state: ClientState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** What the data plane itself would answer now; undefined where only it knows. */
  covered(reference: string): Secret | undefined {
    const held = this.#held.get(reference);
    if (!held?.covered) return undefined;
    held.used = true;
    return held.secret;
  }

  /**
   * What is held of all of the references; null where some of it is missing, not good enough, or may be of two versions
   * of one secret, which one answer must not mix.
   */
  find(references: readonly string[], isGood: (held: HeldSecret) => boolean): Secret[] | null {
    const marks = new Map<string, string>();
    const found: Secret[] = [];
    for (const reference of references) {
      const held = this.#held.get(reference);
      if (!held || !isGood(held)) return null;
      for (const name of held.names) {
        const mark = marks.get(name) ?? held.versionMark;
        if (mark !== held.versionMark) return null;
        marks.set(name, mark);
      }
      held.used = true;
      found.push(held.secret);
    }
    return found;
  }

  /** Keeps what a lookup gave, and has the data plane tell of its changes. */
  keep(secret: Secret): void {
    const { reference } = secret;
    const held = this.#held.get(reference);
    if (!held) this.#held.set(reference, new HeldSecret(secret));
    // What was pushed meanwhile may be newer than this answer.
    else if (!held.covered || secret.fetchedAt > held.secret.fetchedAt) this.#change(held, secret);
    this.#follow(reference, false);
    if (this.#held.size > this.#maxHeld) this.#evict();
  }

  #change(held: HeldSecret, secret: Secret): void {
    const before = held.secret;
    held.secret = secret;
    if (!before.equals(secret)) this.#tell(secret.reference, secret);
  }

  #evict(): void {
    for (const [reference, held] of this.#held) {
      if (this.#held.size <= this.#maxHeld) return;
      if (this.#listeners.has(reference)) continue;
      this.#held.delete(reference);
      if (held.used) {
        held.used = false;
        this.#held.set(reference, held);
      } else this.#unfollow(reference);
    }
  }

  #follow(reference: string, listened: boolean): void {
    const following = this.#followerOf(reference);
    if (following) {
      following.add(reference, listened);
      return;
    }
    let subscription = [...this.#subscriptions].find((one) => one.hasRoomFor(reference));
    if (!subscription) {
      subscription = new Subscription({
        transport: this.#transport,
        onEvent: (about, event, replayed) => this.#onEvent(about, event, replayed),
        onUncovered: (uncovered) => {
          for (const one of uncovered) {
            const held = this.#held.get(one);
            if (held) held.covered = false;
          }
        },
        onState: () => this.#updateState(),
      });
      this.#subscriptions.add(subscription);
    }
    subscription.add(reference, listened);
    this.#updateState();
  }

  #unfollow(reference: string): void {
    const subscription = this.#followerOf(reference);
    subscription?.delete(reference);
    if (subscription?.size !== 0) return;
    subscription.close();
    this.#subscriptions.delete(subscription);
    this.#updateState();
  }

  #followerOf(reference: string): Subscription | undefined {
    for (const subscription of this.#subscriptions) if (subscription.has(reference)) return subscription;
    return undefined;
  }

  #onEvent(reference: string, event: WatchEvent, replayed: boolean): void {
    const held = this.#held.get(reference);
    if (event instanceof ClientError) {
      this.#held.delete(reference);
      this.#tell(reference, event);
      if (!this.#listeners.has(reference)) this.#unfollow(reference);
    } else if (!held) {
      const fresh = new HeldSecret(event);
      fresh.covered = true;
      this.#held.set(reference, fresh);
      this.#tell(reference, event);
    } else {
      const overtaken = replayed && held.covered && event.fetchedAt < held.secret.fetchedAt;
      if (!overtaken) this.#change(held, event);
      if (!held.covered) {
        held.covered = true;
        // Whoever began to listen since the lookup has been told nothing; the others are not told twice.
        this.#tell(reference, held.secret);
      }
    }
  }

  /** Calls the listener with what the reference stands for, now and at every change; keeps the process alive. */
  listen(reference: string, listener: (event: WatchEvent) => void): () => void {
    let told: WatchEvent | null = null;
    const own = (event: WatchEvent) => {
      if (told && sameEvent(told, event)) return;
      told = event;
      listener(event);
    };
    let listeners = this.#listeners.get(reference);
    if (!listeners) {
      listeners = new Set();
      this.#listeners.set(reference, listeners);
    }
    listeners.add(own);
    this.#follow(reference, true);
    queueMicrotask(() => {
      const held = this.#held.get(reference);
      if (held?.covered && listeners.has(own)) own(held.secret);
    });
    return () => {
      if (!listeners.delete(own) || listeners.size > 0 || this.#listeners.get(reference) !== listeners) return;
      this.#listeners.delete(reference);
      // What is held goes on being followed, without keeping the process alive.
      if (this.#held.has(reference)) this.#followerOf(reference)?.unlisten(reference);
      else this.#unfollow(reference);
    };
  }

  #tell(reference: string, event: WatchEvent): void {
    for (const listener of this.#listeners.get(reference) ?? []) {
      // In a task of its own, so that what a listener throws disturbs nothing here.
      queueMicrotask(() => {
        if (this.#listeners.get(reference)?.has(listener)) listener(event);
      });
    }
  }

  #updateState(): void {
    const states = [...this.#subscriptions].map(({ state }) => state);
    const state: ClientState =
      states.length === 0
        ? 'idle'
        : states.includes('disconnected')
          ? 'disconnected'
          : states.includes('connecting')
            ? 'connecting'
            : 'connected';
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#stateListeners) queueMicrotask(() => listener(state));
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions.clear();
    this.#listeners.clear();
    this.#held.clear();
    this.#updateState();
  }
}

function sameEvent(a: WatchEvent, b: WatchEvent): boolean {
  if (a instanceof ClientError || b instanceof ClientError) {
    return a instanceof ClientError && b instanceof ClientError && a.code === b.code && a.message === b.message;
  }
  return a.equals(b);
}
