import { deadlinesOf, type SecretTag } from '@vaultplane/backends/backend.ts';
import { type BackendSource, Backends } from '@vaultplane/backends/backends.ts';
import { settingResolver } from '@vaultplane/backends/setting-values/setting-references.ts';
import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference, printReference } from '@vaultplane/model/references/reference.ts';
import { DEFAULT_POLICY, type UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import type { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { identityOf } from '@vaultplane/model/vaults/address.ts';
import { credentialReferenceError } from '@vaultplane/model/vaults/credential-reference.ts';
import { VariableRules } from '@vaultplane/model/vaults/variable-rules.ts';
import { envPrefixOf, homeRegionOf } from '@vaultplane/model/vaults/vault-settings.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { Binding, mayAssume } from './binding.ts';
import { BindingTable } from './binding-table.ts';
import { Cache } from './cache.ts';
import { type CallCounts, CallCountsByType } from './call-counts.ts';
import { Continuity } from './continuity.ts';
import { Entry } from './entry.ts';
import { type HeldSecret, inventoryOf } from './inventory.ts';
import type { State } from './lifecycle.ts';
import { type Asked, Lookup, type ResolveOptions } from './lookup.ts';
import { PlainDestinations } from './plain-destinations.ts';
import { RefreshNow, type RefreshOutcome, type RefreshRequest } from './refresh-now.ts';
import { Refresher } from './refresher.ts';
import type { Resolved } from './resolved.ts';
import type { ResolverConfig, ResolverOptions, ResolverSettings } from './resolver-options.ts';
import type { SecretScope } from './secret-address.ts';
import { SteadyTime } from './steady-time.ts';
import { ToldRejections } from './told-rejections.ts';
import { type Change, type FetchCounts, Upstream } from './upstream.ts';
import { type RejectedVault, type Vault, VaultDirectory } from './vault-directory.ts';
import { Watches, type WatchListener } from './watches.ts';

export type { CallCounts } from './call-counts.ts';
export { ReadingFailure, type ResolveOptions } from './lookup.ts';
export type { Resolved } from './resolved.ts';
export type { ResolverConfig, ResolverSettings } from './resolver-options.ts';

/** Configurations may change under a lookup this often before it is given up. */
const MOST_RESTARTS = 20;
const NO_OPTIONS: ResolveOptions = {};

/** References to values, as the current configuration says, from what is held or from the vaults. */
export class Resolver {
  /** What outlives a restart. */
  readonly continuity: Continuity;
  readonly #time: SteadyTime;
  readonly #settings: ResolverSettings;
  /** Of the machine's own vaults any secret, for credentials. */
  readonly #localSecret: (reference: string) => Promise<string>;
  readonly #rejections: ToldRejections;
  readonly #plainDestinations: PlainDestinations;
  readonly #directory: VaultDirectory;
  readonly #backends: BackendSource;
  readonly #calls: CallCountsByType;
  readonly #cache: Cache;
  readonly #upstream: Upstream;
  readonly #refresher: Refresher;
  readonly #refreshNow: RefreshNow;
  readonly #watches: Watches;
  readonly #bindings = new BindingTable<Binding>();
  /** Counts configurations, so that a lookup notices that it began under another one. */
  #epoch = 0;
  #policy: UpstreamPolicy;
  #stopped = false;

  /** Use startResolver. */
  constructor(options: ResolverOptions) {
    const { clock, log, env, settings } = options;
    this.#time = new SteadyTime(clock);
    this.#settings = settings;
    this.#calls = new CallCountsByType(options.onUpstreamCall);
    this.#localSecret = settingResolver({ settings: { ...settings }, env, log });
    this.#plainDestinations = new PlainDestinations(log);
    this.#rejections = new ToldRejections(log, options.onRejected ?? (() => {}));
    this.#policy = options.upstreamPolicy ?? DEFAULT_POLICY;
    this.#directory = new VaultDirectory(settings, this.#policy);
    this.#backends =
      options.backends ??
      new Backends(
        {
          env,
          variables: new VariableRules({
            prefix: envPrefixOf(settings),
            isCredential: options.isCredentialVariable,
          }),
          log,
          trustedCertificates: settings.ssl_trusted_certificate ?? ['system'],
          ownListen: options.ownListen,
          homeRegion: homeRegionOf(settings),
          deadlines: deadlinesOf(settings),
          counts: { calls: 0, errors: 0, throttled: 0 },
          upstreamPolicy: () => this.#policy,
        },
        {
          lookUpCredential: (reference, anew) => this.#credential(reference, anew),
          countsOf: (type) => this.#calls.of(type),
        },
      );
    const limits = { maxEntries: settings.cache_max_entries, maxBytes: settings.cache_max_bytes };
    const time = this.#time;
    const random = options.random ?? Math.random;
    this.#cache = new Cache(
      limits,
      (entry) => this.#onDropped(entry),
      () => this.#bindings.countUse(),
    );
    const onSettled = (entry: Entry, change: Change) => this.#onSettled(entry, change);
    this.#upstream = new Upstream({
      backends: this.#backends,
      time,
      random,
      log,
      refusalOf: options.refusalOf,
      vaultNow: (vault) => this.#directory.current(vault),
      onSettled,
      onVerdict: (vault, refusal) => this.#onVerdict(vault, refusal),
    });
    const onAged = (entry: Entry) => this.#tellWatchers(entry);
    this.#refresher = new Refresher({ time, random, cache: this.#cache, upstream: this.#upstream, onAged });
    this.continuity = new Continuity({
      time,
      random,
      cache: this.#cache,
      bindings: this.#bindings,
      bind: (reference, roleArn) => this.#bind(reference, roleArn),
      entryOf: (binding, reading) => this.#entryOf(binding, reading),
      onRestored: (entry) => this.#onSettled(entry, 'facts'),
      resolveMany: (references, options) => this.resolveMany(references, options),
    });
    this.#refreshNow = new RefreshNow({ entries: () => this.#cache.entries(), upstream: this.#upstream, time, random });
    this.#watches = new Watches({
      time,
      random,
      resolve: (reference) => this.resolve(reference),
      onWatched: (reference, watched) => this.#onWatched(reference, watched),
    });
  }

  /**
   * Applies a configuration. Values of vaults that are gone, or that are other secrets now, are wiped before it returns;
   * new lifetimes apply to all others.
   */
  configure({ snapshot, defaults }: ResolverConfig): void {
    if (this.#stopped) return;
    this.#epoch++;
    const moved = this.#directory.configure(snapshot, defaults);
    this.#upstream.reopen();
    for (const binding of this.#bindings.all()) {
      const vault = this.#directory.find(binding.vault.prefix);
      if (vault === binding.vault) continue;
      try {
        if (!vault || vault.id !== binding.vault.id || vault.type !== binding.vault.type)
          throw new Error('another vault');
        binding.rebind(vault);
      } catch {
        binding.release();
      }
    }
    const byId = new Map([...this.#directory.all()].map((vault) => [vault.id, vault]));
    const known = new Map<SecretScope, boolean>();
    // Nearly all secrets of a vault share one scope.
    const stillNames = (scope: SecretScope) => {
      const names = known.get(scope) ?? namesIn(byId.get(scope.vault.id), scope);
      known.set(scope, names);
      return names;
    };
    for (const entry of [...this.#cache.entries()]) {
      // Its users by now are those that still mean this secret; the one that it was made for may mean another.
      if (entry.isUsed && !stillNames(entry.scope)) entry.nameByUser();
      const vault = byId.get(entry.scope.vault.id);
      if (vault && stillNames(entry.scope) && mayAssume(vault, entry.scope.roleArn)) this.#refresher.schedule(entry);
      else this.#cache.drop(entry);
    }
    // Also where nothing of it is held any more: what was held lately may still be on disk.
    if (moved) this.continuity.changed({ urgent: true });
    this.#watches.configured();
    this.#plainDestinations.tell(this.#directory.all());
    this.#rejections.tell(this.#directory.rejected);
  }

  /** Another policy holds from now on: vaults are asked, or no longer asked, as it says. What is held stays. */
  setUpstreamPolicy(policy: UpstreamPolicy): void {
    if (this.#stopped) return;
    this.#policy = policy;
    this.#directory.judge(policy);
    this.#upstream.reopen();
    this.credentialVariablesChanged();
    this.#rejections.tell(this.#directory.rejected);
  }

  /** Other variables are credentials now: what is held of this machine's own vaults is asked for anew. */
  credentialVariablesChanged(): void {
    if (this.#stopped) return;
    this.#epoch++;
    for (const entry of [...this.#cache.entries()]) if (entry.scope.vault.type.local) this.#cache.drop(entry);
    this.#watches.configured();
  }

  /**
   * What a reference stands for: at once where it is held (or known to be missing), else a promise.
   *
   * @throws VaultplaneError (a promise rejects with it), and nothing else
   */
  resolve(reference: string, options: ResolveOptions = NO_OPTIONS): Resolved | Promise<Resolved> {
    if (!this.#time.wasReadRecently) this.#readTime();
    if (options === NO_OPTIONS || (!options.refresh && options.roleArn === undefined)) {
      const ready = this.#bindings.answer(reference);
      if (ready !== null) return ready;
    }
    const answers = this.#lookUp([reference], options);
    if (answers instanceof Promise) return answers.then(([answer]) => orThrow(answer!));
    return orThrow(answers[0]!);
  }

  /** In the order of the references; one that fails does not fail the others. Never rejects. */
  async resolveMany(
    references: readonly string[],
    options: ResolveOptions = NO_OPTIONS,
  ): Promise<Array<Resolved | VaultplaneError>> {
    this.#refresher.catchUp(this.#time.now());
    return this.#lookUp(references, options);
  }

  /**
   * Tells the value soon, then every other value and change of state; errors too, once each, while it goes on trying.
   * Returns what ends the watch; the listener is not called after that.
   */
  watch(reference: string, listener: WatchListener): () => void {
    return this.#watches.watch(reference, listener);
  }

  /** How many secrets are held in which state, and how many misses are remembered. */
  counts(): Record<State | 'negative', number> {
    const counts = { fresh: 0, stale: 0, resurrected: 0, negative: 0 };
    const now = this.#time.now();
    this.#refresher.catchUp(now);
    for (const entry of this.#cache.entries()) {
      const state = entry.stateAt(now);
      if (state) counts[state]++;
    }
    return counts;
  }

  /** Every secret that is held, or known to be missing; to be read at once. */
  inventory(): Iterable<HeldSecret> {
    const now = this.#time.now();
    this.#refresher.catchUp(now);
    return inventoryOf(this.#cache.entries(), now);
  }

  /**
   * Fetches anew what is held, and asks again for what is known to be missing; no lookup waits for it.
   *
   * @throws VaultplaneError unknown_vault, not_ready
   */
  async refresh(request: RefreshRequest): Promise<RefreshOutcome> {
    if (request.vault !== undefined) this.#directory.get(request.vault);
    this.#refresher.catchUp(this.#time.now());
    return this.#refreshNow.refresh(request);
  }

  /**
   * The type of the vault that a prefix names, such as `aws`.
   *
   * @throws VaultplaneError unknown_vault, not_ready
   */
  vaultType(prefix: string): string {
    return this.#directory.get(prefix).type.name;
  }

  /** What the cache has in it, and the bytes that it counts for that. */
  cacheUsage(): { entries: number; bytes: number } {
    this.#refresher.catchUp(this.#time.now());
    return { entries: this.#cache.size, bytes: this.#cache.bytes };
  }

  /**
   * References to whole secrets: those of a vault that carry a tag.
   *
   * @throws VaultplaneError unknown_vault, not_ready, access_denied, unavailable; bad_request for a vault without tags
   */
  async tagged(prefix: string, tag: SecretTag, signal: AbortSignal): Promise<string[]> {
    const { type, config, regionFrom, origin } = this.#directory.get(prefix);
    const backend = await this.#backends.open(type.name, config, { origin, regionFrom });
    if (!backend.findByTag) throw new VaultplaneError('bad_request', `vaults of type ${type.name} know no tags`);
    const paths = await backend.findByTag(tag, signal);
    return paths.map((path) => printReference({ vault: prefix, path }));
  }

  /** What came of fetches since the start. */
  fetchCounts(): Readonly<FetchCounts> {
    return this.#upstream.counts;
  }

  /** Calls to Secrets Manager since the start. */
  awsCounts(): CallCounts {
    return this.upstreamCounts().aws ?? { calls: 0, errors: 0, throttled: 0 };
  }

  /** Calls to vaults since the start, by type; of types that any was made to. */
  upstreamCounts(): Record<string, CallCounts> {
    return this.#calls.all();
  }

  /** Vaults of the configuration that this build can't use, or may not; the rest works. */
  rejectedVaults(): RejectedVault[] {
    return this.#directory.rejected;
  }

  /** Wipes everything, and cuts short what is under way. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#epoch++;
    this.#watches.stop();
    this.#refreshNow.stop();
    this.#refresher.stop();
    for (const entry of [...this.#cache.entries()]) this.#cache.drop(entry);
    for (const binding of [...this.#bindings.all()]) binding.release();
    this.#refresher.stop();
    this.#backends.stop();
  }

  #readTime(): void {
    const now = this.#time.readForMany();
    this.#refresher.catchUp(now);
    this.#bindings.forgetEnded(now);
  }

  #lookUp(references: readonly string[], options: ResolveOptions): Answers | Promise<Answers> {
    if (this.#stopped) return references.map(() => new VaultplaneError('unavailable', 'the data plane is stopping'));
    const lookup = new Lookup(this.#context, references, options);
    const asked = lookup.advance();
    return asked.length === 0 ? lookup.answers() : this.#lookUpUpstream(lookup, asked, references, options);
  }

  async #lookUpUpstream(
    first: Lookup,
    firstAsked: Asked[],
    references: readonly string[],
    options: ResolveOptions,
  ): Promise<Answers> {
    let lookup = first;
    let asked = firstAsked;
    for (let restarts = 0; restarts <= MOST_RESTARTS; restarts++) {
      const epoch = this.#epoch;
      while (asked.length > 0 && epoch === this.#epoch) {
        const results = await Promise.all(asked.map(({ result }) => result));
        for (const [index, { entry }] of asked.entries()) lookup.settle(entry, results[index]!);
        if (epoch === this.#epoch) asked = lookup.advance();
      }
      if (epoch === this.#epoch) return lookup.answers();
      if (this.#stopped) break;
      // The configuration changed meanwhile: the answer must be the new one's.
      lookup = new Lookup(this.#context, references, options);
      asked = lookup.advance();
    }
    const reason = this.#stopped ? 'the data plane is stopping' : 'the configuration changes too fast';
    return references.map(() => new VaultplaneError('unavailable', reason, { retryAfterSeconds: 1 }));
  }

  readonly #context = {
    now: () => this.#time.now(),
    bind: (text: string, roleArn: string | undefined) => this.#bind(text, roleArn),
    entryOf: (binding: Binding, reading: number) => this.#entryOf(binding, reading),
    refusalAt: (now: number, entry: Entry) => this.#refusalAt(now, entry),
    ask: (entry: Entry, anew: boolean) => (anew ? this.#upstream.fetchAnew(entry) : this.#upstream.fetch(entry)),
  };

  /**
   * A vault's credential that stands in a vault of the settings: held, and had again after a restart, as any value. One of
   * this machine's own is at hand, and is not held where applications look secrets up: it may be none for them.
   */
  async #credential(reference: string, anew: boolean): Promise<string> {
    const error = credentialReferenceError(reference);
    if (error !== undefined) throw new VaultplaneError('bad_request', error);
    if (VAULT_TYPES.get(parseReference(reference).vault)?.local) return this.#localSecret(reference);
    return (await this.resolve(reference, anew ? { refresh: true } : NO_OPTIONS)).value;
  }

  #refusalAt(now: number, entry: Entry): BackendError | null {
    const refusal = this.#upstream.refusalAt(now, entry);
    // It was made for this lookup, which ends here.
    if (refusal && !entry.flight && entry.goneAt() <= now) this.#cache.drop(entry);
    return refusal;
  }

  #bind(text: string, roleArn: string | undefined): Binding {
    const known = this.#bindings.get(text, roleArn);
    if (known) {
      known.use();
      return known;
    }
    const reference = parseReference(text);
    const binding = new Binding(text, reference, this.#directory.get(reference.vault), this.#bindings, roleArn);
    // Watches are of references under their vaults' own roles.
    binding.watched = roleArn === undefined && this.#watches.has(text);
    this.#limitBindings();
    return binding;
  }

  #entryOf(binding: Binding, reading: number): Entry {
    let entry = binding.entry(reading);
    if (!entry) {
      const address = binding.secretAddress(reading);
      entry = this.#cache.get(address) ?? null;
      if (!entry) {
        entry = new Entry(address);
        this.#cache.add(entry);
      }
      binding.join(reading, entry);
      // Its lifetimes count from now on; what is not held yet is scheduled when its fetch ends.
      if (entry.held) this.#refresher.schedule(entry);
    }
    this.#cache.touch(entry);
    return entry;
  }

  /** References that were not used for long are given up; the values stay, and a reference is quickly bound again. */
  #limitBindings(): void {
    const most = 2 * this.#settings.cache_max_entries + 1000;
    for (const binding of this.#bindings.all()) {
      if (this.#bindings.size <= most) return;
      if (binding.used || binding.watched) {
        binding.consider();
        this.#bindings.moveToEnd(binding);
      } else {
        binding.release();
      }
    }
  }

  #onSettled(entry: Entry, change: Change): void {
    this.#cache.resized(entry);
    if (!entry.dropped && entry.goneAt() <= this.#time.now()) this.#cache.drop(entry);
    this.#refresher.schedule(entry);
    this.#tellWatchers(entry);
    if (change !== 'none') this.continuity.changed({ renewed: change === 'value' ? entry : null });
  }

  #onVerdict(vault: Vault, refusal: PolicyRefusal | null): void {
    if (this.#directory.called(vault, refusal)) this.#rejections.tell(this.#directory.rejected);
  }

  #onDropped(entry: Entry): void {
    if (entry.held) this.continuity.changed();
    this.#upstream.cancel(entry);
    entry.forget();
    this.#refresher.unschedule(entry);
  }

  #tellWatchers(entry: Entry): void {
    for (const user of entry.users) if (user.watched && user instanceof Binding) this.#watches.changed(user.text);
  }

  #onWatched(reference: string, watched: boolean): void {
    const binding = this.#bindings.get(reference, undefined);
    if (!binding) return;
    binding.watched = watched;
    for (const reading of [0, 1]) {
      const entry = binding.entry(reading);
      if (entry) this.#refresher.schedule(entry);
    }
  }
}

type Answers = Array<Resolved | VaultplaneError>;

/** Whether what a scope says still means its secrets, with its vault as it is configured now. */
function namesIn(vault: Vault | undefined, { vault: was, overrides, identity }: SecretScope): boolean {
  if (vault === was) return true;
  return vault?.type === was.type && identityOf(was.type, { ...vault.config, ...overrides }) === identity;
}

function orThrow(answer: Resolved | VaultplaneError): Resolved {
  if (answer instanceof VaultplaneError) throw answer;
  return answer;
}

/** Starts with no configuration: vaults of the settings work at once. The caller stops it. */
export function startResolver(options: ResolverOptions): Resolver {
  return new Resolver(options);
}
