import type { WatchEvent } from './secret.ts';
import type { Transport } from './transport.ts';
import { WatchConnection } from './watch-connection.ts';

export type SubscriptionState = 'connecting' | 'connected' | 'disconnected';

export interface SubscriptionOptions {
  transport: Transport;
  /** What is told of a reference; from then on it counts as covered, until `onUncovered`. */
  onEvent: (reference: string, event: WatchEvent, replayed: boolean) => void;
  /** Nothing is told of these references for now. */
  onUncovered: (references: Iterable<string>) => void;
  onState: () => void;
}

/** A request's head may have 16 KiB at the data plane; this leaves room for its headers. */
const LONGEST_PATH = 12_000;
/** References that are asked for one after another are put on one connection. */
const GATHER_MS = 20;
/** How long a connection that is to replace another may take to tell of all its references. */
const TAKEOVER_MS = 2000;
/** The longest that a timer can have. */
const HOLD_MS = 2 ** 31 - 1;
const BACKOFF_MS = { least: 50, most: 5000 };

/**
 * References that a data plane is to tell about, over one connection at a time. A set that has changed gets a new
 * connection, which takes over from the old one once it has told everything; one that breaks is made anew, for ever.
 */
export class Subscription {
  readonly #options: SubscriptionOptions;
  /** To whether somebody listens, so that the process is to stay alive for it. */
  readonly #references = new Map<string, boolean>();
  #current: WatchConnection | null = null;
  #opening: AbortController | null = null;
  /** The references have changed since that opening began. */
  #outdated = false;
  #timer: NodeJS.Timeout | undefined;
  /** Runs while somebody listens. */
  #hold: NodeJS.Timeout | undefined;
  #failures = 0;
  #state: SubscriptionState = 'connecting';
  #closed = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get size(): number {
    return this.#references.size;
  }

  has(reference: string): boolean {
    return this.#references.has(reference);
  }

  /** Whether a further reference fits. */
  hasRoomFor(reference: string): boolean {
    return WatchConnection.path([...this.#references.keys(), reference]).length <= LONGEST_PATH;
  }

  add(reference: string, listened: boolean): void {
    const before = this.#references.get(reference);
    if (before === true || before === listened) return;
    this.#references.set(reference, listened);
    this.#holdProcess();
    if (before === undefined) this.#arm(GATHER_MS);
  }

  /** Nobody listens any more; the reference is followed all the same. */
  unlisten(reference: string): void {
    if (!this.#references.get(reference)) return;
    this.#references.set(reference, false);
    this.#holdProcess();
  }

  delete(reference: string): void {
    if (!this.#references.delete(reference)) return;
    this.#holdProcess();
    this.#options.onUncovered([reference]);
    this.#arm(GATHER_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#hold);
    this.#opening?.abort();
    this.#drop();
  }

  /** Keeps the process alive while somebody listens, whatever becomes of connections; lets it end otherwise. */
  #holdProcess(): void {
    const isListened = [...this.#references.values()].includes(true);
    if (isListened) this.#hold ??= setInterval(() => {}, HOLD_MS);
    else {
      clearInterval(this.#hold);
      this.#hold = undefined;
    }
  }

  /** What has changed since is part of what is opened then. */
  #arm(delayMs: number): void {
    if (this.#closed || this.#timer) return;
    if (this.#opening) {
      this.#outdated = true;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#open();
    }, delayMs).unref();
  }

  async #open(): Promise<void> {
    if (this.#references.size === 0) {
      this.#drop();
      return;
    }
    const opening = new AbortController();
    this.#opening = opening;
    this.#outdated = false;
    const references = [...this.#references.keys()];
    const untold = new Set(references);
    let next: WatchConnection;
    let complete = () => {};
    const completed = new Promise<void>((resolve) => {
      complete = resolve;
    });
    const onEvent = (reference: string, event: WatchEvent) => {
      if (next === this.#current) this.#tell(reference, event, false);
      untold.delete(reference);
      if (untold.size === 0) complete();
    };
    const { transport } = this.#options;
    try {
      next = await WatchConnection.open({ transport, references, onEvent }, opening.signal);
    } catch {
      this.#failed();
      return;
    }
    void next.ended.then(() => {
      complete();
      if (next === this.#current) {
        this.#drop();
        // Another one that is just being opened takes its place.
        if (!this.#opening) this.#failed();
      } else if (this.#opening === opening) this.#failed();
    });
    if (this.#current) {
      const late = setTimeout(complete, TAKEOVER_MS);
      await completed;
      clearTimeout(late);
    }
    if (this.#opening === opening && !this.#closed) this.#takeOver(next);
    else next.close();
  }

  #takeOver(next: WatchConnection): void {
    const before = this.#current;
    this.#current = next;
    this.#opening = null;
    before?.close();
    for (const [reference, event] of next.told) this.#tell(reference, event, true);
    if (before) this.#options.onUncovered([...before.told.keys()].filter((reference) => !next.told.has(reference)));
    this.#failures = 0;
    this.#is('connected');
    if (this.#outdated) this.#arm(GATHER_MS);
  }

  #tell(reference: string, event: WatchEvent, replayed: boolean): void {
    if (this.#references.has(reference)) this.#options.onEvent(reference, event, replayed);
  }

  #failed(): void {
    if (this.#closed) return;
    this.#opening = null;
    this.#failures++;
    if (!this.#current) this.#is('disconnected');
    const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** Math.min(this.#failures, 10));
    // Full jitter, so that a machine's programs do not all come back at once.
    this.#arm(BACKOFF_MS.least / 2 + Math.random() * most);
  }

  #drop(): void {
    const dropped = this.#current;
    this.#current = null;
    if (!dropped) return;
    dropped.close();
    this.#options.onUncovered(dropped.told.keys());
  }

  #is(state: SubscriptionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState();
  }
}
