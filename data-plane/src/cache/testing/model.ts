import assert from 'node:assert/strict';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Resolved } from '../resolver.ts';
import type { Script } from './scripted-vault.ts';

/** What a vault is configured to be, times in seconds. */
export interface VaultSpec {
  region: string;
  role: string;
  ttl: number;
  neg_ttl: number;
  resurrect_ttl: number;
}

/** What a reference names. */
export interface Target {
  prefix: string;
  /** In place of the vault's own, where it is said. */
  region?: string | undefined;
  secret: string;
  version: 1 | 2;
  key?: string | undefined;
}

/** One secret's version, as the upstream tells them apart. */
export interface Upstream {
  region: string;
  role: string;
  secret: string;
  version: 1 | 2;
}

/** An upstream's answer from a moment on. */
interface Answered {
  since: number;
  script: Script;
}

/** A value that was served, and so is held; it was fetched at `fetchedAt` or later. */
interface Served {
  prefix: string;
  region: string;
  value: string;
  fetchedAt: number;
  /** A reference that names its region has been served it: it stays where its vault moves to another region. */
  named: boolean;
}

interface Vault {
  spec: VaultSpec;
  /** Since when it is there, under this role. */
  since: number;
  /** Since when it is in its region. */
  regionSince: number;
  /** Regions that references have named. */
  named: Set<string>;
  /** What references have meant, as keys of upstreams: nothing else is ever fetched. */
  asked: Set<string>;
}

/** A fetch takes its time, and a clock that was set forward wakes no timer: what is late by less is not wrong. */
const LATE_SECONDS = 0.1;

/**
 * The small obvious model: what every upstream answered when, and what may follow from that. Times are seconds that
 * have really gone by, whatever was done to the clock, but for its jumps forward, which count as time gone by.
 */
export class Model {
  time = 0;
  readonly vaults = new Map<string, Vault>();
  /** Whether everything that is held has room, so that nothing may be missing. */
  readonly #keepsAll: boolean;
  readonly #upstream = new Map<string, Answered[]>();
  readonly #served = new Map<string, Served>();
  #restartedAt = 0;
  /** The last restart that took what was held with it. */
  #restoredAt = 0;

  constructor(keepsAll: boolean) {
    this.#keepsAll = keepsAll;
  }

  upstreamAnswers(upstream: Upstream, script: Script): void {
    this.#history(upstream).push({ since: this.time, script });
  }

  /** The last value that an upstream has answered with. */
  lastValue(upstream: Upstream): Script | undefined {
    return this.#history(upstream).findLast(({ script }) => typeof script === 'object')?.script;
  }

  configure(prefix: string, spec: VaultSpec | null): void {
    const before = this.vaults.get(prefix);
    if (before) this.#expire(prefix, before.spec);
    const sameVault = spec !== null && before?.spec.role === spec.role;
    if (spec === null) this.vaults.delete(prefix);
    else {
      const now = this.time;
      const since = sameVault ? before.since : now;
      const regionSince = sameVault && before.spec.region === spec.region ? before.regionSince : now;
      const { named, asked } = sameVault ? before : { named: new Set<string>(), asked: new Set<string>() };
      this.vaults.set(prefix, { spec, since, regionSince, named, asked });
    }
    for (const [key, served] of this.#served) {
      if (served.prefix === prefix && !(sameVault && (served.region === spec.region || served.named)))
        this.#served.delete(key);
    }
  }

  /**
   * A restart that took what was held with it, on disk.
   *
   * @param downSeconds until it ran again
   * @param lost nothing is promised to be there: it was killed, or nobody knows how long it was down
   */
  restartFromDisk(downSeconds: number, lost: boolean): void {
    this.time += downSeconds;
    this.#restoredAt = this.time;
    if (lost) this.#served.clear();
  }

  restart(): void {
    this.#restartedAt = this.time;
    this.#served.clear();
    for (const vault of this.vaults.values()) vault.asked.clear();
  }

  /** @throws AssertionError where the outcome can't be right */
  check(target: Target, outcome: Resolved | VaultplaneError, value: string): void {
    const vault = this.vaults.get(target.prefix);
    const what = `${describe(target)} at ${this.time}`;
    if (!vault) {
      assert.equal((outcome as VaultplaneError).code, 'unknown_vault', what);
      return;
    }
    if (target.region !== undefined) vault.named.add(target.region);
    const upstream = upstreamOf(vault.spec, target);
    vault.asked.add(keyOf(upstream));
    this.#expire(target.prefix, vault.spec);
    if (outcome instanceof VaultplaneError) this.#checkError(what, vault, target, upstream, outcome);
    else this.#checkValue(what, vault, target, upstream, outcome, value);
  }

  /** Whoever asks for a refresh is given what the vault answers now, if it answers with a value. */
  checkRefreshed(target: Target, value: string): void {
    const vault = this.vaults.get(target.prefix);
    if (!vault) return;
    const { script } = this.#history(upstreamOf(vault.spec, target)).at(-1)!;
    if (typeof script === 'object') assert.equal(value, script.value, 'not refreshed');
  }

  /** How many secrets' values there may be at all: those that were asked for, not older than they may be. */
  mostHeld(): number {
    let most = 0;
    for (const vault of this.vaults.values()) {
      const { ttl, resurrect_ttl } = vault.spec;
      const oldest = ttl === 0 ? 0 : this.time - ttl - resurrect_ttl - LATE_SECONDS;
      for (const key of vault.asked) {
        const upstream = JSON.parse(key) as Upstream;
        const from = Math.max(oldest, this.#earliest(vault, upstream.region));
        if (during(this.#history(upstream), from).some((script) => typeof script === 'object')) most++;
      }
    }
    return most;
  }

  #checkValue(
    what: string,
    vault: Vault,
    target: Target,
    upstream: Upstream,
    { state }: Resolved,
    value: string,
  ): void {
    const { ttl, resurrect_ttl } = vault.spec;
    const span = this.#spanOf(upstream, value);
    assert.ok(span, `${what}: its vault never answered ${value}`);
    const earliest = this.#earliest(vault, upstream.region);
    assert.ok(span.until >= earliest, `${what}: the value is from before its vault`);
    const age = this.time - span.until;
    if (ttl > 0) {
      assert.ok(age <= ttl + resurrect_ttl + LATE_SECONDS, `${what}: the value is ${age} s older than it may be`);
      if (state === 'fresh') assert.ok(age <= ttl + LATE_SECONDS, `${what}: called fresh, but was gone ${age} s ago`);
    } else if (span.since > this.#restoredAt) assert.equal(state, 'fresh', what);
    // What the disk had may be older than what was held last.
    if (state === 'fresh')
      assert.ok(span.until >= this.#restoredAt, `${what}: called fresh, but is from before a restart`);
    if (state === 'resurrected') {
      const failed = during(this.#history(upstream), span.since).some((script) => typeof script === 'string');
      assert.ok(failed, `${what}: resurrected though nothing failed`);
    }
    const key = servedKey(target.prefix, upstream);
    const named = target.region !== undefined || this.#served.get(key)?.named === true;
    const fetchedAt = Math.max(span.since, earliest);
    this.#served.set(key, { prefix: target.prefix, region: upstream.region, value, fetchedAt, named });
  }

  #checkError(what: string, vault: Vault, target: Target, upstream: Upstream, error: VaultplaneError): void {
    const served = this.#served.get(servedKey(target.prefix, upstream));
    if (this.#keepsAll) assert.ok(!served, `${what}: ${error.code} though ${served?.value} is held`);
    // A failed lookup is a call now, or one before that is remembered.
    const isUnavailable = error.code === 'unavailable';
    const remembered = (isUnavailable ? 5 : vault.spec.neg_ttl) + LATE_SECONDS;
    const from = Math.max(this.time - remembered, isUnavailable ? 0 : this.#earliest(vault, upstream.region));
    if (isUnavailable && this.#throttledDuring(upstream.region, from)) return;
    const seen = during(this.#history(upstream), from).map(codeOf);
    assert.ok(seen.includes(error.code), `${what}: ${error.code}, but the vault answered ${seen.join(', ')}`);
  }

  /** Before this nothing was fetched that may be there now. */
  #earliest(vault: Vault, region: string): number {
    const since = vault.named.has(region) ? vault.since : vault.regionSince;
    return Math.max(since, this.#restartedAt);
  }

  /** A region that throttles is left alone as a whole. */
  #throttledDuring(region: string, from: number): boolean {
    return [...this.#upstream].some(
      ([key, history]) =>
        (JSON.parse(key) as Upstream).region === region && during(history, from).includes('throttled'),
    );
  }

  /** What may have come to its end under these lifetimes stays gone, whatever lifetimes come after. */
  #expire(prefix: string, { ttl, resurrect_ttl }: VaultSpec): void {
    for (const [key, served] of this.#served) {
      const ended = ttl > 0 && this.time >= served.fetchedAt + ttl + resurrect_ttl;
      if (ended && served.prefix === prefix) this.#served.delete(key);
    }
  }

  #history(upstream: Upstream): Answered[] {
    const key = keyOf(upstream);
    let history = this.#upstream.get(key);
    if (!history) {
      history = [{ since: 0, script: 'not_found' }];
      this.#upstream.set(key, history);
    }
    return history;
  }

  /** When the upstream answered with a value; no upstream answers with one twice. */
  #spanOf(upstream: Upstream, value: string): { since: number; until: number } | undefined {
    const history = this.#history(upstream);
    const at = history.findIndex(({ script }) => typeof script === 'object' && script.value === value);
    return at < 0 ? undefined : { since: history[at]!.since, until: history[at + 1]?.since ?? this.time };
  }
}

export function describe({ prefix, region, secret, version, key }: Target): string {
  const path = key === undefined ? secret : `${secret}/${key}`;
  return `${prefix}/${path}${region === undefined ? '' : `?region=${region}`}${version === 1 ? '' : `#${version}`}`;
}

function upstreamOf(spec: VaultSpec, { region = spec.region, secret, version }: Target): Upstream {
  return { region, role: spec.role, secret, version };
}

function keyOf({ region, role, secret, version }: Upstream): string {
  return JSON.stringify({ region, role, secret, version });
}

function servedKey(prefix: string, { region, secret, version }: Upstream): string {
  return JSON.stringify([prefix, region, secret, version]);
}

/** What was answered from a time on. */
function during(history: readonly Answered[], from: number): Script[] {
  return history.filter((_, index) => (history[index + 1]?.since ?? Infinity) >= from).map(({ script }) => script);
}

function codeOf(script: Script): string {
  if (script === 'denied') return 'access_denied';
  if (script === 'down' || script === 'throttled') return 'unavailable';
  return typeof script === 'string' ? script : 'value';
}
