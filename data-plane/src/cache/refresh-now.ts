import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Random } from './backoff.ts';
import type { Entry } from './entry.ts';
import type { SteadyTime } from './steady-time.ts';
import type { Upstream } from './upstream.ts';

/** What of the secrets that are held is to be fetched anew. */
export interface RefreshRequest {
  /** The vault's prefix; undefined: all vaults. */
  vault?: string | undefined;
  /** Names that the secret may have; undefined: all of the vault. */
  paths?: readonly string[] | undefined;
  /** The calls are spread over this long, milliseconds. */
  spreadMs: number;
}

/** Secrets that were asked for, those that came, those of them that have another version now, and the rest. */
export interface RefreshOutcome {
  asked: number;
  refreshed: number;
  changed: number;
  failed: number;
}

/** Secrets that fall due within this go together, milliseconds: a batch costs one call. */
const TOGETHER_MS = 250;

export interface RefreshNowOptions {
  entries: () => Iterable<Entry>;
  upstream: Upstream;
  time: SteadyTime;
  random: Random;
}

/** Refreshes because somebody said so, without any lookup waiting for it: what is held is served until the new is here. */
export class RefreshNow {
  readonly #options: RefreshNowOptions;
  /** By what they ask for: one that comes while its like is under way has that one's outcome. */
  readonly #running = new Map<string, Promise<RefreshOutcome>>();
  readonly #ends = new Set<() => void>();

  constructor(options: RefreshNowOptions) {
    this.#options = options;
  }

  refresh(request: RefreshRequest): Promise<RefreshOutcome> {
    const key = JSON.stringify([request.vault ?? null, request.paths ?? null]);
    let running = this.#running.get(key);
    if (!running) {
      running = this.#run(request).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  /** What is under way ends at once, with what it has so far. */
  stop(): void {
    for (const end of this.#ends) end();
  }

  async #run({ vault, paths, spreadMs }: RefreshRequest): Promise<RefreshOutcome> {
    const { time, random, entries } = this.#options;
    const wanted = [...entries()].filter(
      ({ scope, path }) =>
        (vault === undefined || scope.vault.prefix === vault) && (paths === undefined || paths.includes(path)),
    );
    const outcome: RefreshOutcome = { asked: wanted.length, refreshed: 0, changed: 0, failed: 0 };
    const turns = Map.groupBy(wanted, () => Math.floor((random() * spreadMs) / TOGETHER_MS));
    let stopped = false;
    const { promise: stop, resolve } = Promise.withResolvers<void>();
    const cancels: Array<() => void> = [];
    const end = () => {
      stopped = true;
      for (const cancel of cancels) cancel();
      resolve();
    };
    this.#ends.add(end);
    const fetches = [...turns].map(async ([turn, together]) => {
      await new Promise<void>((go) => cancels.push(time.after(turn * TOGETHER_MS, go)));
      await Promise.all(together.map((entry) => this.#fetch(entry, outcome)));
    });
    await Promise.race([Promise.all(fetches), stop]);
    this.#ends.delete(end);
    // A copy: what still is under way then has no part in it.
    return stopped ? { ...outcome, failed: outcome.asked - outcome.refreshed } : outcome;
  }

  async #fetch(entry: Entry, outcome: RefreshOutcome): Promise<void> {
    const { upstream, time } = this.#options;
    const before = entry.held?.facts.version.id;
    // A region that throttles is left alone, whoever asks (specification.md §4).
    const result =
      entry.dropped || upstream.pausedUntil(entry) > time.now() ? undefined : await upstream.fetchAnew(entry);
    if (result === undefined || result instanceof BackendError) {
      outcome.failed++;
      return;
    }
    outcome.refreshed++;
    if (result.facts.version.id !== before) outcome.changed++;
  }
}
