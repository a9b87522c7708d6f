import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { secretsKeyOf } from '@vaultplane/platform/crypto/secrets-key.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { NotedTime } from '@vaultplane/platform/time/noted-time.ts';
import { settled } from '@vaultplane/testkit/fake-clock.ts';
import { OVERHEAD_BYTES } from '../entry.ts';
import type { Resolved } from '../resolver.ts';
import { openVaultFile, VAULT_FILE_NAME, type VaultFile } from '../vault-file.ts';
import { describe, Model, type Target, type Upstream, type VaultSpec } from './model.ts';
import { ResolverBench } from './resolver-bench.ts';
import type { Script } from './scripted-vault.ts';

/** What an upstream is told to do: to answer with a value that no other ever has, or to fail in this way. */
export type Answer = 'value' | Exclude<Script, object>;

/** Vaults by 2, regions by 2, secrets by 3, versions by 2: more entries than a world ever has. */
const ROOM_FOR_ALL = 100;
const MOST_HELD = 2 * 2 * 3 * 2;
const LONGEST_VALUE = 100;

/** The real resolver beside the model, and what happens to both. */
export class World {
  readonly #random: () => number;
  readonly #entries: number;
  readonly #model: Model;
  #bench: ResolverBench;
  #serial = 0;

  readonly #key = secretsKeyOf(randomBytes(32));
  readonly #dataDir: string | null;
  #file: VaultFile | null = null;
  #boot = 1;
  /** Seconds that the machine has been up, apart from this life of the program. */
  #upBefore = 0;
  #born = 0;

  /**
   * @param entries how many the cache may hold; undefined: all that there are
   * @param onDisk what is held is kept on disk too
   */
  constructor(random: () => number, entries = ROOM_FOR_ALL, onDisk = false) {
    this.#dataDir = onDisk ? mkdtempSync(join(tmpdir(), 'vaultplane-world-')) : null;
    this.#random = random;
    this.#entries = entries;
    this.#model = new Model(entries >= ROOM_FOR_ALL);
    this.#bench = this.#start();
    this.#bench.configure({});
  }

  answers(upstream: Upstream, answer: Answer): void {
    this.#set(upstream, answer === 'value' ? this.#newValue(upstream) : answer);
  }

  /** As AWS rotates: what was current is previous. */
  rotates(upstream: Omit<Upstream, 'version'>): void {
    const current: Upstream = { ...upstream, version: 1 };
    const last = this.#model.lastValue(current);
    this.#set(current, this.#newValue(current));
    if (last && this.#model.lastValue({ ...upstream, version: 2 }) !== last)
      this.#set({ ...upstream, version: 2 }, last);
  }

  async configure(prefix: string, spec: VaultSpec | null): Promise<void> {
    this.#model.configure(prefix, spec);
    this.#configureBench();
    await settled();
    this.#checkHeld();
  }

  /** Several applications look up the same things at the same time. */
  async look(targets: readonly Target[], refresh: boolean, applications: number): Promise<void> {
    const references = targets.map((target) => `{vault://${describe(target)}}`);
    const lookups = Array.from({ length: applications }, () =>
      this.#bench.resolver.resolveMany(references, { refresh }),
    );
    for (const outcomes of await Promise.all(lookups)) this.#checkAnswer(targets, outcomes, refresh);
    this.#checkHeld();
  }

  async advance(seconds: number): Promise<void> {
    const { vault, clock } = this.#bench;
    const callsBefore = vault.calls;
    const target = clock.now() + seconds * 1000;
    this.#model.time += seconds;
    await clock.advanceTo(target);
    const calls = vault.calls - callsBefore;
    // No vault here has a ttl below 5 s, and a failing secret is asked for at longer and longer intervals.
    const bound = MOST_HELD * (8 + (seconds / 5) * 1.3);
    assert.ok(calls <= bound, `${calls} upstream calls in ${seconds} s without a lookup`);
    assert.ok(clock.pending <= 1, 'more than one timer');
    this.#checkHeld();
  }

  setClock(seconds: number): void {
    if (seconds > 0) this.#model.time += seconds;
    this.#bench.clock.set(this.#bench.clock.now() + seconds * 1000);
    // Noticed at once: set forward and back before anybody looks, a clock has been set by the difference.
    this.#checkHeld();
  }

  /** Begins to keep what is held on disk, where that is wanted. */
  async open(): Promise<void> {
    if (this.#dataDir === null) return;
    const { clock, resolver } = this.#bench;
    this.#born = clock.monotonic();
    this.#file = await openVaultFile({
      dataDir: this.#dataDir,
      key: this.#key,
      nodeId: 'node',
      surroundings: '',
      continuity: resolver.continuity,
      // Its pauses never end: but for what is urgent, it is written as the program stops.
      clock: { now: () => clock.now(), monotonic: () => clock.monotonic(), after: () => () => {}, reuseMs: 0 },
      bootClock: { boot: `boot ${this.#boot}`, uptime: () => this.#upBefore * 1000 + clock.monotonic() - this.#born },
      log: silentLog,
    });
  }

  /** As a program does that keeps nothing on disk; one that does finds its files gone. */
  async restart(): Promise<void> {
    await this.#stop();
    const dataDir = this.#dataDir;
    const files = dataDir === null ? [] : readdirSync(dataDir).filter((name) => name.startsWith('secrets.'));
    for (const name of files) rmSync(join(dataDir!, name));
    await this.#startAgain(0);
    this.#model.restart();
    this.#configureBench();
  }

  /**
   * A restart that may take what was held with it. Where nothing is kept on disk it is any other restart.
   *
   * @param restart.setSeconds by how much the clock was set while the program was down
   * @param restart.change a vault that is another one by then
   */
  async restartFromDisk(restart: {
    downSeconds: number;
    setSeconds: number;
    rebooted: boolean;
    killed: boolean;
    change: [prefix: string, spec: VaultSpec | null] | null;
  }): Promise<void> {
    if (this.#dataDir === null) return this.restart();
    const { downSeconds, rebooted, killed, change } = restart;
    // Set back while the machine was off, by no more than that: nobody can know.
    const hidden = rebooted && restart.setSeconds < 0 && downSeconds + restart.setSeconds > -2;
    const setSeconds = hidden ? -downSeconds - 10 : restart.setSeconds;
    if (killed) {
      await this.#file?.settled();
      // As the file does every few seconds; its timers don't run here.
      const time = new NotedTime({
        path: join(this.#dataDir, VAULT_FILE_NAME),
        clock: this.#bench.clock,
        log: silentLog,
      });
      time.read();
      await time.note();
    }
    const lived = (this.#bench.clock.monotonic() - this.#born) / 1000;
    // It may write its file at its end, by the machine's clock as it is then.
    await this.#stop(killed);
    this.#upBefore += lived + downSeconds;
    if (rebooted) {
      this.#boot++;
      this.#upBefore = 0;
    }
    this.#model.restartFromDisk(downSeconds + Math.max(0, setSeconds), killed || (rebooted && setSeconds < 0));
    await this.#startAgain(downSeconds + setSeconds);
    if (change) this.#model.configure(...change);
    this.#configureBench();
    this.#checkHeld();
  }

  async close(): Promise<void> {
    await this.#stop();
  }

  /** Removes what it has on disk; also where something went wrong. */
  [Symbol.dispose](): void {
    if (this.#dataDir !== null) rmSync(this.#dataDir, { recursive: true });
  }

  async #startAgain(laterSeconds: number): Promise<void> {
    const { scripts } = this.#bench.vault;
    const wall = this.#bench.clock.now() + laterSeconds * 1000;
    this.#bench = this.#start();
    this.#bench.clock.set(wall);
    for (const [key, script] of scripts) this.#bench.vault.scripts.set(key, script);
    await this.open();
  }

  async #stop(killed = false): Promise<void> {
    if (killed) this.#bench.resolver.continuity.onChange(() => {});
    else await this.#file?.stop();
    const { mostInFlight } = this.#bench.vault;
    assert.ok(mostInFlight <= 1, `${mostInFlight} calls for one secret at once`);
    await this.#bench.resolver.stop();
    assert.equal(this.#bench.clock.pending, 0);
    assert.deepEqual(this.#bench.resolver.counts(), { fresh: 0, stale: 0, resurrected: 0, negative: 0 });
  }

  #start(): ResolverBench {
    const bench = new ResolverBench({ cache_max_entries: this.#entries }, this.#random);
    bench.vault.turns = 1;
    return bench;
  }

  #newValue({ region, role, secret }: Upstream): Script {
    return { value: documentOf(`${region} ${role} ${secret} ${++this.#serial}`) };
  }

  #set(upstream: Upstream, script: Script): void {
    const { region, role, secret, version } = upstream;
    const stage = version === 1 ? 'AWSCURRENT' : 'AWSPREVIOUS';
    this.#bench.vault.set(secret, script, region, { role: roleArn(role), stage });
    this.#model.upstreamAnswers(upstream, script);
  }

  #checkAnswer(
    targets: readonly Target[],
    outcomes: ReadonlyArray<Resolved | VaultplaneError>,
    refresh: boolean,
  ): void {
    const seen = new Map<string, string>();
    for (const [index, target] of targets.entries()) {
      const outcome = outcomes[index]!;
      const value = outcome instanceof VaultplaneError ? '' : wholeOf(target, outcome.value);
      this.#model.check(target, outcome, value);
      if (refresh) this.#model.checkRefreshed(target, value);
      if (outcome instanceof VaultplaneError) continue;
      const region = target.region ?? this.#model.vaults.get(target.prefix)?.spec.region;
      const secret = describe({ ...target, region, key: undefined });
      assert.equal(seen.get(secret) ?? value, value, 'two versions of one secret in one answer');
      seen.set(secret, value);
    }
  }

  /** Nothing is held that has no right to be there. */
  #checkHeld(): void {
    const { fresh, stale, resurrected, negative } = this.#bench.resolver.counts();
    const held = fresh + stale + resurrected;
    const most = this.#model.mostHeld();
    assert.ok(held <= most, `${held} values are held where there may be ${most}`);
    const { entries, bytes } = this.#bench.resolver.cacheUsage();
    assert.ok(entries <= this.#entries, `${entries} entries in a cache for ${this.#entries}`);
    const kept = bytes - entries * OVERHEAD_BYTES;
    assert.ok(kept <= most * LONGEST_VALUE, `${kept} bytes of values are kept where there may be ${most} values`);
    if (this.#model.vaults.size === 0) assert.equal(entries + negative, 0, 'something of vaults that are gone');
  }

  #configureBench(): void {
    const vaults = [...this.#model.vaults].map(([prefix, { spec }]) => {
      const { role, ...config } = spec;
      return [prefix, { ...config, assume_role_arn: roleArn(role), role_session_name: prefix }] as const;
    });
    this.#bench.configure(Object.fromEntries(vaults));
    this.#file?.configured(true);
  }
}

function roleArn(role: string): string {
  return `arn:aws:iam::123456789012:role/${role}`;
}

function documentOf(text: string): string {
  return JSON.stringify({ j: `${text} j`, k: `${text} k` });
}

/** The whole secret that a lookup was answered from. */
function wholeOf({ key }: Target, value: string): string {
  if (key === undefined) return value;
  assert.ok(value.endsWith(` ${key}`), `another key's value: ${value}`);
  return documentOf(value.slice(0, -2));
}
