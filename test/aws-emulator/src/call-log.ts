import { EventEmitter } from 'node:events';
import { matchesPattern } from './policy.ts';
import { namesOf } from './secret-store.ts';

export type EmulatedService = 'secretsmanager' | 'sts' | 's3' | 'imds' | 'ecs';

/** What is kept of a request to an emulator of any cloud. */
export type LoggedCall = {
  /** Counts up from 1 over the emulator's life. */
  id: number;
  service: string;
  operation: string;
  /** HTTP status of the answer; null while there is none (pending, hung, or cut before an answer). */
  status: number | null;
  errorCode: string | null;
  /** The order that shaped the answer. */
  orderId: string | null;
  /** Milliseconds since 1970. */
  time: number;
  /** When the answer was out, the caller hung up, or the connection was cut; null until then. */
  endedAt: number | null;
};

/** One request that reached the emulator. No values and no tokens are in it. */
export type Call = LoggedCall & {
  service: EmulatedService;
  /** Of the signature's credential scope; of the host name for unsigned calls; null where neither tells. */
  region: string | null;
  /** As the request named it: name or ARN. Null where there is none or more than one. */
  secretId: string | null;
  /** All that the request named; more than one for BatchGetSecretValue. */
  secretIds: string[];
  /** As claimed, proven or not. */
  accessKeyId: string | null;
  /** Null until the signature is proven, so also for calls that were refused. */
  principalArn: string | null;
  roleArn: string | null;
  roleSession: string | null;
  host: string | null;
  path: string;
};

/** All that is given must agree; strings are patterns (`*`, `?`), and a secret may be named by name or by ARN. */
export type CallMatch = {
  service?: EmulatedService;
  operation?: string;
  region?: string;
  secret?: string;
  accessKeyId?: string;
  /** Pattern over the principal's or the role's ARN. */
  principal?: string;
};

/** Entries kept; counts go on beyond. */
const ENTRIES_KEPT = 10_000;

export function matchesCall(match: CallMatch, call: Call): boolean {
  const fits = (pattern: string | undefined, ...texts: (string | null)[]) =>
    pattern === undefined || texts.some((text) => text !== null && matchesPattern(pattern, text));
  return (
    fits(match.service, call.service) &&
    fits(match.operation, call.operation) &&
    fits(match.region, call.region) &&
    fits(match.secret, ...call.secretIds.flatMap(namesOf)) &&
    fits(match.accessKeyId, call.accessKeyId) &&
    fits(match.principal, call.principalArn, call.roleArn)
  );
}

/** What was called, how often, by whom, and how it ended. `M` says which calls are meant. */
export class CallLog<C extends LoggedCall = Call, M = CallMatch> {
  readonly #clock: () => number;
  readonly #matches: (match: M, call: C) => boolean;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  #entries: C[] = [];
  #counts = new Map<string, number>();
  #lastId = 0;

  constructor(clock: () => number, matches: (match: M, call: C) => boolean) {
    this.#clock = clock;
    this.#matches = matches;
  }

  begin(call: Omit<C, 'id' | 'time' | 'endedAt' | 'status' | 'errorCode' | 'orderId'>): C {
    this.#lastId += 1;
    const entry = {
      id: this.#lastId,
      ...call,
      status: null,
      errorCode: null,
      orderId: null,
      time: this.#clock(),
      endedAt: null,
    } as LoggedCall as C;
    this.#entries.push(entry);
    if (this.#entries.length > ENTRIES_KEPT) this.#entries.shift();
    this.#counts.set(call.operation, (this.#counts.get(call.operation) ?? 0) + 1);
    this.#announce();
    return entry;
  }

  end(call: C): void {
    if (call.endedAt !== null) return;
    call.endedAt = this.#clock();
    this.#announce();
  }

  /** Not at once: who waits for a call is to see it with the order that it meets, which is taken right after. */
  #announce(): void {
    queueMicrotask(() => this.#changes.emit('change'));
  }

  /** Calls since the last reset that match, oldest first: copies, safe to keep. */
  list(match: M): C[] {
    return this.#entries.filter((call) => this.#matches(match, call)).map((call) => ({ ...call }));
  }

  /** Calls since the last reset by operation. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  reset(): void {
    this.#entries = [];
    this.#counts = new Map();
  }

  /**
   * Resolves with the matching calls once there are `count` of them (with `ended`, once that many have ended).
   * Rejects with the signal's reason, so `AbortSignal.timeout(5000)` bounds the wait.
   */
  waitFor(match: M, count: number, { ended = false, signal }: WaitOptions = {}): Promise<C[]> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.list(match).filter((call) => !ended || call.endedAt !== null);
        if (found.length < count) return;
        finish();
        resolve(found);
      };
      const abort = () => {
        finish();
        reject(signal!.reason);
      };
      const finish = () => {
        this.#changes.off('change', look);
        signal?.removeEventListener('abort', abort);
      };
      if (signal?.aborted) return reject(signal.reason);
      this.#changes.on('change', look);
      signal?.addEventListener('abort', abort);
      look();
    });
  }
}

export type WaitOptions = { ended?: boolean; signal?: AbortSignal };
