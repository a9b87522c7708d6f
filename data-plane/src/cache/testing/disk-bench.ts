import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { type SecretsKey, secretsKeyOf } from '@vaultplane/platform/crypto/secrets-key.ts';
import { unseal } from '@vaultplane/platform/files/sealed-file.ts';
import { type Log, silentLog } from '@vaultplane/platform/logging/log.ts';
import type { BootClock } from '@vaultplane/platform/time/moment.ts';
import type { ResolverSettings } from '../resolver.ts';
import { openVaultFile, VAULT_FILE_NAME, type VaultFile } from '../vault-file.ts';
import { decodeContent } from '../vault-file-content.ts';
import { ResolverBench } from './resolver-bench.ts';

type Vaults = Record<string, VaultConfig & { id?: string; name?: string }>;

/** What a restart may find changed. */
export interface Restart {
  /** How long the program was down. */
  downSeconds?: number;
  /** By how much somebody set the clock meanwhile. */
  clockSeconds?: number;
  /** The machine was started anew. */
  rebooted?: boolean;
  /** The process was killed: nothing was written at its end. */
  killed?: boolean;
  vaults?: Vaults;
  /** No configuration is to be had at first. */
  noSnapshot?: boolean;
  settings?: Partial<ResolverSettings>;
  key?: SecretsKey;
  nodeId?: string;
  surroundings?: string;
  /** Done while no program runs. */
  meanwhile?: () => void;
}

/** A resolver with its secrets.cache, which can be restarted, as time goes on and clocks are set. */
export class DiskBench {
  readonly dataDir: string;
  readonly log: Log;
  bench!: ResolverBench;
  file!: VaultFile;
  key: SecretsKey = secretsKeyOf(randomBytes(32));
  nodeId = 'node-1';
  surroundings = 'here';
  #vaults: Vaults = {};
  #settings: Partial<ResolverSettings>;
  #boot = 1;
  #bootedAt = 0;
  /** Seconds that have really gone by in earlier lives of the program. */
  #lived = 0;
  /** The monotonic clock at the beginning of this life. */
  #born = 0;
  readonly #random: () => number;

  constructor(
    dataDir: string,
    {
      settings = {},
      log = silentLog,
      random = () => 0.5,
    }: { settings?: Partial<ResolverSettings>; log?: Log; random?: () => number } = {},
  ) {
    this.dataDir = dataDir;
    this.log = log;
    this.#settings = settings;
    this.#random = random;
    this.#begin();
  }

  static async start(
    dataDir: string,
    vaults: Vaults,
    options: ConstructorParameters<typeof DiskBench>[1] = {},
  ): Promise<DiskBench> {
    const bench = new DiskBench(dataDir, options);
    await bench.#open();
    bench.configure(vaults);
    return bench;
  }

  get vault(): ResolverBench['vault'] {
    return this.bench.vault;
  }

  get(...args: Parameters<ResolverBench['get']>): Promise<string> {
    return this.bench.get(...args);
  }

  /** The value and its state, or the code of the error. */
  async shown(reference: string): Promise<string> {
    const outcome = await this.bench.outcome(reference);
    return 'value' in outcome ? `${outcome.value} ${outcome.state}` : outcome.code;
  }

  configure(vaults: Vaults): void {
    this.#vaults = vaults;
    this.bench.configure(vaults);
    this.file.configured(true);
  }

  /** Seconds since the very beginning, whatever was done to the clock. */
  get lived(): number {
    return this.#lived + (this.bench.clock.monotonic() - this.#born) / 1000;
  }

  async restart(restart: Restart = {}): Promise<void> {
    const before = this.bench;
    if (restart.killed) this.bench.resolver.continuity.onChange(() => {});
    else await this.file.stop();
    await before.resolver.stop();
    restart.meanwhile?.();
    const { downSeconds = 0, clockSeconds = 0 } = restart;
    this.#lived = this.lived + downSeconds;
    const wall = before.clock.now() + (downSeconds + clockSeconds) * 1000;
    if (restart.settings) this.#settings = restart.settings;
    this.key = restart.key ?? this.key;
    this.nodeId = restart.nodeId ?? this.nodeId;
    this.surroundings = restart.surroundings ?? this.surroundings;
    this.#begin();
    this.bench.clock.set(wall);
    if (restart.rebooted) {
      this.#boot++;
      this.#bootedAt = this.#lived;
    }
    for (const [path, script] of before.vault.scripts) this.vault.scripts.set(path, script);
    this.vault.fallback = before.vault.fallback;
    await this.#open();
    if (restart.vaults) this.#vaults = restart.vaults;
    if (restart.noSnapshot) this.file.configured(false);
    else this.configure(this.#vaults);
  }

  /** Until the file on disk is as wanted; the resolver's clock goes on by `stepMs` each time that it is not. */
  async until(wanted: () => boolean, stepMs = 0): Promise<void> {
    for (const end = performance.now() + 20_000; !wanted(); ) {
      if (performance.now() > end) throw new Error('it did not come to that within 20 s');
      await this.bench.clock.advance(stepMs);
    }
  }

  /** What the file holds, by path of the secret. */
  onDisk(): Record<string, string> {
    const { key, nodeId } = this;
    const plain = unseal({ kind: 'secrets.cache 1', key, nodeId }, readFileSync(join(this.dataDir, VAULT_FILE_NAME)));
    return Object.fromEntries(decodeContent(plain).secrets.map(({ name, value }) => [name, value.reveal()]));
  }

  async stop(): Promise<void> {
    await this.file.stop();
    await this.bench.resolver.stop();
  }

  #begin(): void {
    this.bench = new ResolverBench(this.#settings, this.#random);
    this.#born = this.bench.clock.monotonic();
  }

  async #open(): Promise<void> {
    const { dataDir, key, nodeId, surroundings, log } = this;
    const bootClock: BootClock = {
      boot: `boot ${this.#boot}`,
      uptime: () => (this.lived - this.#bootedAt) * 1000,
    };
    const { clock, resolver } = this.bench;
    this.file = await openVaultFile({
      dataDir,
      key,
      nodeId,
      surroundings,
      continuity: resolver.continuity,
      clock,
      bootClock,
      log,
    });
  }
}
