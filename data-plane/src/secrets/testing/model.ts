import assert from 'node:assert/strict';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { settled } from '@vaultplane/shared/testing/fake-clock.ts';
import type { Resolved } from '../resolver.ts';
import { ResolverBench } from './resolver-bench.ts';
import type { Script } from './scripted-vault.ts';

/** What a vault is configured to be, times in seconds. */
export interface VaultSpec {
  region: string;
  ttl: number;
  neg_ttl: number;
  resurrect_ttl: number;
}

/** An upstream's answer from a moment on. */
interface Answered {
  since: number;
  script: Script;
}

/** A value that was served, and so is held; it was fetched at `fetchedAt` or later. */
interface Served {
  value: string;
  fetchedAt: number;
}

/** A fetch takes its time, and a clock that was set forward wakes no timer: what is late by less is not wrong. */
const LATE_SECONDS = 0.1;

/**
 * The small obvious model: what every upstream answered when, and what may follow from that. Times are seconds that
 * have really gone by, whatever was done to the clock, but for its jumps forward, which count as time gone by.
 */
export class Model {
  time = 0;
  readonly vaults = new Map<string, { spec: VaultSpec; since: number }>();
  readonly #upstream = new Map<string, Answered[]>();
  readonly #served = new Map<string, Served>();
  restartedAt = 0;

  upstreamAnswers(region: string, secret: string, script: Script): void {
    const history = this.#history(region, secret);
    history.push({ since: this.time, script });
  }

  configure(prefix: string, spec: VaultSpec | null): void {
    const before = this.vaults.get(prefix);
    if (before) this.#expire(prefix, before.spec);
    if (spec === null) this.vaults.delete(prefix);
    else this.vaults.set(prefix, { spec, since: before?.spec.region === spec.region ? before.since : this.time });
    if (spec === null || before?.spec.region !== spec.region) this.#forget(prefix);
  }

  restart(): void {
    this.restartedAt = this.time;
    this.#served.clear();
  }

  /** @throws AssertionError where the outcome can't be right */
  check(prefix: string, secret: string, outcome: Resolved | VaultplaneError): void {
    const vault = this.vaults.get(prefix);
    const what = `${prefix}/${secret} at ${this.time}`;
    if (!vault) {
      assert.equal((outcome as VaultplaneError).code, 'unknown_vault', what);
      return;
    }
    const { spec } = vault;
    const earliest = Math.max(vault.since, this.restartedAt);
    if (outcome instanceof VaultplaneError) this.#checkError(what, prefix, secret, spec, outcome, earliest);
    else this.#checkValue(what, prefix, secret, spec, outcome, earliest);
  }

  /** Whoever asks for a refresh is given what the vault answers now, if it answers with a value. */
  checkRefreshed(prefix: string, secret: string, outcome: Resolved | VaultplaneError): void {
    const vault = this.vaults.get(prefix);
    if (!vault) return;
    const { script } = this.#history(vault.spec.region, secret).at(-1)!;
    if (typeof script === 'object') assert.equal((outcome as Resolved).value, script.value, 'not refreshed');
  }

  #checkValue(
    what: string,
    prefix: string,
    secret: string,
    spec: VaultSpec,
    outcome: Resolved,
    earliest: number,
  ): void {
    const { value, state } = outcome;
    assert.ok(value.startsWith(`${spec.region} ${secret} `), `${what}: the value is another secret's: ${value}`);
    const span = this.#spanOf(spec.region, secret, value);
    assert.ok(span, `${what}: nobody ever answered ${value}`);
    assert.ok(span.until >= earliest, `${what}: the value is from before its vault`);
    const age = this.time - span.until;
    const end = spec.ttl + spec.resurrect_ttl + LATE_SECONDS;
    if (spec.ttl > 0) assert.ok(age <= end, `${what}: the value is ${age} s older than it may be`);
    if (spec.ttl > 0 && state === 'fresh') {
      assert.ok(age <= spec.ttl + LATE_SECONDS, `${what}: called fresh, but was gone ${age} s ago`);
    }
    if (spec.ttl === 0) assert.equal(state, 'fresh', what);
    if (state === 'resurrected') {
      assert.ok(this.#failedSince(spec.region, secret, span.since), `${what}: resurrected though nothing failed`);
    }
    this.#served.set(`${prefix} ${secret}`, { value, fetchedAt: Math.max(span.since, earliest) });
  }

  #checkError(
    what: string,
    prefix: string,
    secret: string,
    spec: VaultSpec,
    error: VaultplaneError,
    earliest: number,
  ): void {
    this.#expire(prefix, spec);
    const served = this.#served.get(`${prefix} ${secret}`);
    assert.ok(!served, `${what}: ${error.code} though ${served?.value} is held`);
    // A failed lookup is a call now, or one before that is remembered.
    const remembered = error.code === 'unavailable' ? 5 + LATE_SECONDS : spec.neg_ttl + LATE_SECONDS;
    const from = Math.max(this.time - remembered, error.code === 'unavailable' ? 0 : earliest);
    const seen = this.#during(spec.region, secret, from).map(codeOf);
    if (error.code === 'unavailable' && this.#throttledDuring(spec.region, from)) return;
    assert.ok(seen.includes(error.code), `${what}: ${error.code}, but the vault answered ${seen.join(', ')}`);
  }

  /** A region that throttles is left alone as a whole. */
  #throttledDuring(region: string, from: number): boolean {
    const secrets = [...this.#upstream.keys()]
      .filter((key) => key.startsWith(`${region} `))
      .map((key) => key.split(' ')[1]!);
    return secrets.some((secret) => this.#during(region, secret, from).includes('throttled'));
  }

  /** What may have come to its end under these lifetimes stays gone, whatever lifetimes come after. */
  #expire(prefix: string, { ttl, resurrect_ttl }: VaultSpec): void {
    for (const [key, { fetchedAt }] of this.#served) {
      const ended = ttl > 0 && this.time >= fetchedAt + ttl + resurrect_ttl;
      if (ended && key.startsWith(`${prefix} `)) this.#served.delete(key);
    }
  }

  #forget(prefix: string): void {
    for (const key of this.#served.keys()) if (key.startsWith(`${prefix} `)) this.#served.delete(key);
  }

  #history(region: string, secret: string): Answered[] {
    const key = `${region} ${secret}`;
    let history = this.#upstream.get(key);
    if (!history) {
      history = [{ since: 0, script: 'not_found' }];
      this.#upstream.set(key, history);
    }
    return history;
  }

  #during(region: string, secret: string, from: number): Script[] {
    const history = this.#history(region, secret);
    return history.filter((_, index) => (history[index + 1]?.since ?? Infinity) >= from).map(({ script }) => script);
  }

  /** When the upstream answered with a value; values are never used twice. */
  #spanOf(region: string, secret: string, value: string): { since: number; until: number } | undefined {
    const history = this.#history(region, secret);
    const at = history.findIndex(({ script }) => typeof script === 'object' && script.value === value);
    return at < 0 ? undefined : { since: history[at]!.since, until: history[at + 1]?.since ?? this.time };
  }

  #failedSince(region: string, secret: string, from: number): boolean {
    return this.#during(region, secret, from).some((script) => typeof script === 'string');
  }
}

function codeOf(script: Script): string {
  if (script === 'denied') return 'access_denied';
  if (script === 'down' || script === 'throttled') return 'unavailable';
  return typeof script === 'string' ? script : 'value';
}

/** The real resolver beside the model. */
export class World {
  readonly model = new Model();
  bench: ResolverBench;
  readonly #random: () => number;
  #serial = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.bench = new ResolverBench({ cache_max_entries: 100 }, random);
    this.bench.vault.turns = 1;
    this.bench.configure({});
  }

  async answers(region: string, secret: string, kind: 'value' | Exclude<Script, object>): Promise<void> {
    const script: Script = kind === 'value' ? { value: `${region} ${secret} ${++this.#serial}` } : kind;
    this.bench.vault.set(secret, script, region);
    this.model.upstreamAnswers(region, secret, script);
  }

  async configure(prefix: string, spec: VaultSpec | null): Promise<void> {
    this.model.configure(prefix, spec);
    this.#configureBench();
    await settled();
  }

  /** Several applications look up the same things at the same time. */
  async look(
    targets: ReadonlyArray<readonly [prefix: string, secret: string]>,
    refresh: boolean,
    applications: number,
  ): Promise<void> {
    const references = targets.map(([prefix, secret]) => `{vault://${prefix}/${secret}}`);
    const lookups = Array.from({ length: applications }, () =>
      this.bench.resolver.resolveMany(references, { refresh }),
    );
    for (const outcomes of await Promise.all(lookups)) this.#checkAnswer(targets, references, outcomes, refresh);
  }

  #checkAnswer(
    targets: ReadonlyArray<readonly [prefix: string, secret: string]>,
    references: string[],
    outcomes: Array<Resolved | VaultplaneError>,
    refresh: boolean,
  ): void {
    const seen = new Map<string, string>();
    for (const [index, [prefix, secret]] of targets.entries()) {
      const outcome = outcomes[index]!;
      this.model.check(prefix, secret, outcome);
      if (refresh) this.model.checkRefreshed(prefix, secret, outcome);
      const shown = outcome instanceof VaultplaneError ? outcome.code : outcome.value;
      assert.equal(seen.get(references[index]!) ?? shown, shown, 'two versions of one secret in one answer');
      seen.set(references[index]!, shown);
    }
  }

  async advance(seconds: number): Promise<void> {
    const callsBefore = this.bench.vault.calls;
    const target = this.bench.clock.now() + seconds * 1000;
    this.model.time += seconds;
    await this.bench.clock.advanceTo(target);
    const calls = this.bench.vault.calls - callsBefore;
    // No vault here has a ttl below 5 s, there are 2 vaults with 3 secrets each, and a failing one is asked in backoff.
    const bound = 6 * (8 + (seconds / 5) * 1.3);
    assert.ok(calls <= bound, `${calls} upstream calls in ${seconds} s without a lookup`);
    assert.ok(this.bench.clock.pending <= 1, 'more than one timer');
  }

  async setClock(seconds: number): Promise<void> {
    if (seconds > 0) this.model.time += seconds;
    this.bench.clock.set(this.bench.clock.now() + seconds * 1000);
  }

  async restart(): Promise<void> {
    this.#checkCalls();
    await this.bench.resolver.stop();
    assert.equal(this.bench.clock.pending, 0);
    const { scripts } = this.bench.vault;
    const wall = this.bench.clock.now();
    this.bench = new ResolverBench({ cache_max_entries: 100 }, this.#random);
    this.bench.clock.set(wall);
    this.bench.vault.turns = 1;
    for (const [key, script] of scripts) this.bench.vault.scripts.set(key, script);
    this.model.restart();
    this.#configureBench();
  }

  async close(): Promise<void> {
    this.#checkCalls();
    await this.bench.resolver.stop();
    assert.equal(this.bench.clock.pending, 0);
  }

  #checkCalls(): void {
    const { mostInFlight } = this.bench.vault;
    assert.ok(mostInFlight <= 1, `${mostInFlight} calls for one secret at once`);
  }

  #configureBench(): void {
    const vaults = Object.fromEntries(
      [...this.model.vaults].map(([prefix, { spec }]) => [prefix, { ...spec, role_session_name: prefix }]),
    );
    this.bench.configure(vaults);
  }
}
