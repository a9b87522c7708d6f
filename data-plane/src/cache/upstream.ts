import type { FetchedSecret, SecretBackend } from '@vaultplane/backends/backend.ts';
import type { BackendSource } from '@vaultplane/backends/backends.ts';
import { BackendError, type BackendErrorCode } from '@vaultplane/model/errors/backend-error.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { accessOf } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { Backoff, type Random } from './backoff.ts';
import type { Entry } from './entry.ts';
import { Held } from './held.ts';
import { queryOf } from './secret-address.ts';
import type { SteadyTime } from './steady-time.ts';
import type { Vault } from './vault-directory.ts';

/** What a fetch has changed of what is held: its value, only what is known of it (its age, that it failed), or nothing. */
export type Change = 'value' | 'facts' | 'none';

export interface UpstreamOptions {
  backends: BackendSource;
  time: SteadyTime;
  random: Random;
  log: Log;
  /** Why a vault may not be asked for an entry now; null where it may. */
  refusalOf?: ((entry: Entry) => BackendError | null) | undefined;
  /** The vault as it is configured now: an entry outlives changes that leave its secret the same one, as of credentials. */
  vaultNow: (vault: Vault) => Vault;
  /** A fetch of an entry that still is in the cache has ended; its lifecycle knows how. */
  onSettled: (entry: Entry, change: Change) => void;
  /** A fetch was refused by upstream_policy, or was not (null). */
  onVerdict?: (vault: Vault, refusal: PolicyRefusal | null) => void;
}

/** What came of fetches since the start, for metrics. */
export interface FetchCounts {
  /** Wanted while a fetch of the same secret was under way. */
  joined: number;
  /** Fetched together with another secret, and so without a call of their own. */
  batched: number;
  /** First fetches and refreshes of what was held, by how they ended. */
  first: Record<FirstOutcome, number>;
  refresh: Record<RefreshOutcome, number>;
}

export type FirstOutcome = 'fetched' | BackendErrorCode;
export type RefreshOutcome = 'changed' | 'unchanged' | BackendErrorCode;

interface Fetch {
  entry: Entry;
  resolve: (result: Held | BackendError) => void;
}

/**
 * Every call to vaults: at most one a secret at a time, those for one backend that are wanted at the same moment
 * together, and none on behalf of what is no longer wanted.
 */
export class Upstream {
  readonly #options: UpstreamOptions;
  /** By what they are opened with. */
  #backends = new Map<string, Promise<SecretBackend>>();
  /** The last backend of each identity, for what it says of itself. */
  readonly #opened = new Map<string, SecretBackend>();
  /** By scope: upstreams that have asked to be asked less. */
  readonly #throttled = new Map<string, Backoff>();
  /** Scopes that could not be reached when last asked, so that an outage is one log line and not one a secret. */
  readonly #unreachable = new Set<string>();
  readonly counts: FetchCounts = {
    joined: 0,
    batched: 0,
    first: { fetched: 0, not_found: 0, access_denied: 0, unavailable: 0 },
    refresh: { changed: 0, unchanged: 0, not_found: 0, access_denied: 0, unavailable: 0 },
  };
  #gathered: Fetch[] = [];

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** Joins the fetch that is under way, or begins one. Never rejects. */
  fetch(entry: Entry): Promise<Held | BackendError> {
    if (entry.flight) {
      this.counts.joined++;
      return entry.flight.result;
    }
    const { promise, resolve } = Promise.withResolvers<Held | BackendError>();
    entry.flight = { result: promise, cancelled: false, cut: null, sent: false, next: null };
    const refusal = this.#options.refusalOf?.(entry);
    if (refusal) {
      queueMicrotask(() => this.#settle({ entry, resolve }, refusal));
      return promise;
    }
    if (this.#gathered.length === 0) queueMicrotask(() => this.#send());
    this.#gathered.push({ entry, resolve });
    return promise;
  }

  /** As `fetch`, of what the vault answers from now on: a call that has left already is waited for, not joined. */
  fetchAnew(entry: Entry): Promise<Held | BackendError> {
    const { flight } = entry;
    if (!flight?.sent) return this.fetch(entry);
    if (flight.next) this.counts.joined++;
    flight.next ??= flight.result.then((result) => (flight.cancelled ? result : this.fetch(entry)));
    return flight.next;
  }

  /** Until when the upstream of an entry is to be left alone by background refreshes; 0 where it has not throttled. */
  pausedUntil(entry: Entry): number {
    return this.#throttle(entry)?.until ?? 0;
  }

  /** Why a lookup may not ask now; null where it may. */
  refusalAt(now: number, entry: Entry): BackendError | null {
    const until = this.#throttle(entry)?.lookupsUntil ?? 0;
    if (now >= until) return null;
    const where = this.#opened.get(entry.scope.identity)?.description;
    const options = { throttled: true, retryAfterSeconds: Math.max(1, Math.ceil((until - now) / 1000)) };
    return new BackendError('unavailable', `${where} throttles calls and is left alone for a moment`, options);
  }

  /** Nobody wants it any more: a call that is under way for nothing else is cut short. */
  cancel(entry: Entry): void {
    const { flight } = entry;
    if (!flight || flight.cancelled) return;
    flight.cancelled = true;
    flight.cut?.();
  }

  /** Configurations have changed: backends are opened anew when they are asked; who throttles goes on doing so. */
  reopen(): void {
    this.#backends = new Map();
  }

  #throttle(entry: Entry): Backoff | undefined {
    const backend = this.#opened.get(entry.scope.identity);
    return backend && this.#throttled.get(backend.scope);
  }

  #send(): void {
    const byBackend = Map.groupBy(this.#gathered, ({ entry }) => this.#access(entry).key);
    this.#gathered = [];
    for (const fetches of byBackend.values()) void this.#fetchTogether(fetches);
  }

  async #fetchTogether(fetches: Fetch[]): Promise<void> {
    const wanted = new AbortController();
    let left = fetches.length;
    for (const { entry, resolve } of fetches) {
      const { flight } = entry;
      if (!flight) continue;
      flight.sent = true;
      flight.cut = () => {
        resolve(new BackendError('unavailable', 'the vault or its configuration has gone while it was asked'));
        left--;
        if (left === 0) wanted.abort();
      };
      if (flight.cancelled) flight.cut();
    }
    const results = await this.#ask(fetches, wanted.signal);
    for (const [index, fetch] of fetches.entries()) this.#settle(fetch, results[index]!);
  }

  async #ask(fetches: Fetch[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>> {
    const { scope } = fetches[0]!.entry;
    const beganAt = this.#options.time.now();
    try {
      const backend = await this.#open(fetches[0]!.entry);
      const queries = fetches.map(({ entry }) => queryOf(entry));
      this.counts.batched += queries.length - 1;
      const results =
        queries.length === 1 ? [await backend.fetch(queries[0]!, signal)] : await backend.fetchMany(queries, signal);
      if (!signal.aborted) this.#observe(backend, results, beganAt);
      return results;
    } catch (error) {
      const failed = asBackendError(error);
      if (!(error instanceof BackendError)) {
        // Only its class: what a library says may quote what it read.
        const facts = { vault: scope.vault.prefix, error: (error as Error)?.name };
        this.#options.log.error(facts, 'a vault backend failed in a way that it should not');
      }
      const backend = this.#opened.get(scope.identity);
      if (backend && !signal.aborted) this.#observe(backend, [failed], beganAt);
      return fetches.map(() => failed);
    }
  }

  /** With what an entry's vault is asked now. */
  #access({ scope }: Entry): { config: VaultConfig; key: string } {
    const { vault: was, overrides } = scope;
    const vault = this.#options.vaultNow(was);
    // The vault's own object where it can be: what is made of it is made once.
    const config = Object.keys(overrides).length === 0 ? vault.config : { ...vault.config, ...overrides };
    return { config, key: vault.origin + accessOf(vault.type, config) };
  }

  #open(entry: Entry): Promise<SecretBackend> {
    const { identity, vault, regionFrom } = entry.scope;
    const { config, key } = this.#access(entry);
    const known = this.#backends.get(key);
    if (known) return known;
    const { origin } = vault;
    const opening = this.#options.backends.open(vault.type.name, config, { origin, regionFrom });
    const backends = this.#backends;
    const opened = this.#opened;
    // References name regions freely: what they made is not kept without bound.
    if (backends.size >= 100) backends.clear();
    if (opened.size >= 1000) opened.clear();
    backends.set(key, opening);
    opening.then(
      (backend) => opened.set(identity, backend),
      () => backends.delete(key),
    );
    return opening;
  }

  /** What an upstream's answers say about itself. */
  #observe(backend: SecretBackend, results: ReadonlyArray<FetchedSecret | BackendError>, beganAt: number): void {
    const { time, random, log } = this.#options;
    const errors = results.filter((result) => result instanceof BackendError);
    const throttled = errors.some((error) => error.throttled);
    const answered = errors.length < results.length || errors.some((error) => error.code !== 'unavailable');
    const backoff = this.#throttled.get(backend.scope);
    if (throttled) {
      const known = backoff ?? new Backoff(random);
      if (known.isNews(beganAt)) known.failed(time.now());
      this.#throttled.set(backend.scope, known);
    } else if (answered) {
      this.#throttled.delete(backend.scope);
    }
    const unavailable = errors.find((error) => error.code === 'unavailable');
    if (answered && !unavailable && this.#unreachable.delete(backend.scope)) {
      log.info({ vault: backend.description }, 'the vault answers again');
    } else if (!answered && unavailable && !this.#unreachable.has(backend.scope)) {
      this.#unreachable.add(backend.scope);
      log.warn(
        { vault: backend.description, reason: unavailable.message },
        'the vault does not answer; what is held goes on being served',
      );
    }
  }

  #settle({ entry, resolve }: Fetch, result: FetchedSecret | BackendError): void {
    const { time, random, onSettled, log } = this.#options;
    entry.flight = null;
    const settled = result instanceof BackendError ? result : new Held(result, time.wall(), entry.path);
    const vault = this.#options.vaultNow(entry.scope.vault);
    this.#options.onVerdict?.(vault, result instanceof PolicyRefusal ? result : null);
    if (!entry.dropped) {
      this.#count(entry.held, settled);
      const change = changeOf(entry, settled);
      entry.forget();
      if (settled instanceof BackendError) {
        entry.failed(time.now(), settled, random);
        log.debug({ vault: entry.scope.vault.prefix, secret: entry.path, reason: settled.message }, 'a fetch failed');
      } else {
        entry.fetched(time.now(), settled, random);
      }
      onSettled(entry, change);
    }
    resolve(settled);
  }

  #count(before: Held | null, settled: Held | BackendError): void {
    const { first, refresh } = this.counts;
    if (settled instanceof BackendError) (before ? refresh : first)[settled.code]++;
    else if (!before) first.fetched++;
    else refresh[before.facts.version.id === settled.facts.version.id ? 'unchanged' : 'changed']++;
  }
}

function asBackendError(error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  const name = error instanceof Error ? error.name : 'unknown';
  return new BackendError('unavailable', `the vault's backend failed (${name})`);
}

/** Before the entry is told. */
function changeOf({ held, failedSince }: Entry, settled: Held | BackendError): Change {
  if (settled instanceof BackendError) return held === null || failedSince ? 'none' : 'facts';
  const isSame = held?.equals(settled) === true && held.facts.version.id === settled.facts.version.id;
  return isSame ? 'facts' : 'value';
}
