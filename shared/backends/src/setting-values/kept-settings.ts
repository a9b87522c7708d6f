import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { type Address, identityOf } from '@vaultplane/model/vaults/address.ts';
import { variableName } from '@vaultplane/model/vaults/variable-rules.ts';
import { readSecretsKey, type SecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { removeDurably, setAside } from '@vaultplane/platform/files/durable-file.ts';
import { PacedFile } from '@vaultplane/platform/files/paced-file.ts';
import { BrokenSeal, type Seal, Sealer, unseal } from '@vaultplane/platform/files/sealed-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import {
  type BootClock,
  elapsedSince,
  type Moment,
  momentNow,
  systemBootClock,
} from '@vaultplane/platform/time/moment.ts';
import { NotedTime } from '@vaultplane/platform/time/noted-time.ts';
import type { BackendSource } from '../backends.ts';
import { surroundingsOf } from '../surroundings.ts';
import { settingAddress, settingResolver } from './setting-references.ts';

export const KEPT_SETTINGS_FILE_NAME = 'settings.cache';
const KIND = 'settings.cache 1';

/** A setting whose value is not its vault's of today. */
export interface OldSetting {
  key: string;
  /** ISO 8601. */
  fetched_at: string;
}

/** For /status. */
export interface SettingReferenceFacts {
  /** Settings that are references and started from their last known value, because their vault could not be reached. */
  old: OldSetting[];
  /** What is wrong with data_dir/settings.cache; null where nothing is. */
  disk_problem: string | null;
}

export interface SettingReferencesOptions {
  env: NodeJS.ProcessEnv;
  log: Log;
  /** A command that only looks at things changes no file, and does without what it may not read. */
  readOnly?: boolean;
  clock?: Clock;
  bootClock?: BootClock;
  /** For tests: where secrets come from, in place of real vaults. */
  backends?: BackendSource;
}

/** The value of a setting, of one vault in one place. */
interface KeptSetting {
  key: string;
  reference: string;
  /** Vault, region, endpoint and role: of any other it is another value. */
  identity: string;
  value: string;
  /** Milliseconds of its age when the file was written or, of what was read, now. */
  ageMs: number;
  fetched_at: string;
}

interface KeptFile {
  saved: Moment;
  surroundings: string;
  settings: KeptSetting[];
}

/**
 * Settings that are references (specification.md §2), and their last known values (§9): where secrets_key_file is set, the
 * values that a program started with are kept in data_dir/settings.cache, encrypted, and its next start has them from
 * there where their vault can't be reached, for as long as the vault's ttl and resurrect_ttl allow. A vault that answers
 * (not found, access denied) is believed. data_dir and secrets_key_file have to be known without the vault.
 */
export class SettingReferences {
  readonly #options: SettingReferencesOptions;
  readonly #clock: Clock;
  #opened = false;
  #key: SecretsKey | null = null;
  #surroundings = '';
  #fromDisk: KeptSetting[] = [];
  #used: KeptSetting[] = [];
  #old: OldSetting[] = [];
  readonly #unreachable = new Set<string>();
  readonly #variables = new Set<string>();
  /** Before anything was resolved: from then on what is kept gets older. */
  readonly #begun: Moment;
  #damage: string | null = null;
  #file: PacedFile | null = null;
  #time: NotedTime | null = null;

  constructor(options: SettingReferencesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#begun = momentNow(this.#clock, options.bootClock ?? systemBootClock);
  }

  /** For LoadOptions.resolveReference. What it gives rejects with VaultplaneError or StartError. */
  readonly resolve =
    (known: Record<string, unknown>) =>
    async (reference: string, key: string): Promise<string> => {
      await this.#open(known);
      const { type, address } = settingAddress(known, reference);
      const identity = identityOf(type, address.config);
      const kept = this.#keptOf(key, reference, identity, address);
      try {
        // One setting has waited for it already.
        if (kept && this.#unreachable.has(identity)) throw new VaultplaneError('unavailable', 'the vault is down');
        if (type.local) this.#noteVariables(address);
        const value = await settingResolver({ ...this.#options, settings: known })(reference);
        // The environment is at hand at every start.
        const fetched_at = new Date(this.#clock.now()).toISOString();
        if (!type.local) this.#used.push({ key, reference, identity, value, ageMs: 0, fetched_at });
        return value;
      } catch (error) {
        if (!(error instanceof VaultplaneError) || error.code !== 'unavailable' || !kept) throw error;
        this.#unreachable.add(identity);
        const { fetched_at } = kept;
        this.#options.log.warn(
          { key, fetched_at, reason: error.message },
          'the setting starts from its last known value',
        );
        this.#used.push(kept);
        this.#old.push({ key, fetched_at });
        return kept.value;
      }
    };

  /** Whether a setting refers to this environment variable: then it is the program's own. */
  refersTo(variable: string): boolean {
    return this.#variables.has(variable);
  }

  facts(): SettingReferenceFacts {
    const error = this.#file?.error ?? null;
    return { old: [...this.#old], disk_problem: error === null ? this.#damage : `not written: ${error}` };
  }

  /**
   * The program has started with what was resolved: kept from now on for its next start, or, where there is no key or
   * nothing to keep, not kept any more. On disk when this returns; a file that can't be written fails nothing.
   *
   * @param settings those that were loaded
   * @param nodeId whose data_dir it is
   * @throws StartError where secrets_key_file holds no key
   */
  async keep(settings: { data_dir: string; secrets_key_file?: string | undefined }, nodeId: string): Promise<void> {
    const { log, env } = this.#options;
    const path = join(settings.data_dir, KEPT_SETTINGS_FILE_NAME);
    const used = this.#used;
    this.#used = [];
    this.#fromDisk = [];
    const { secrets_key_file: keyFile } = settings;
    // Also where nothing is to be kept: a setting that is wrong must not show itself in an outage.
    const key = this.#key ?? (keyFile === undefined ? null : readSecretsKey(keyFile, log));
    if (key === null || used.length === 0) {
      await removeDurably(path).catch((error) => {
        this.#damage = `it can't be removed: ${errorMessage(error)}`;
        log.error(
          { path, error: errorMessage(error) },
          'the last known values of settings can not be removed from disk',
        );
      });
      return;
    }
    this.#time ??= new NotedTime({ path, clock: this.#clock, log });
    const time = this.#time;
    time.start();
    // As old as it was: there is nothing new to write.
    if (used.length === this.#old.length) return;
    const seal: Seal = { kind: KIND, key, nodeId };
    const surroundings = this.#surroundings || (await surroundingsOf(env));
    const saved = this.#begun;
    const failure = 'the values of settings could not be written to disk; a start without their vault would lack them';
    this.#file = new PacedFile({ path, clock: this.#clock, log, intervalMs: 0, failure });
    const make = () => {
      const sealer = new Sealer(seal);
      sealer.add(Buffer.from(JSON.stringify({ saved, surroundings, settings: used } satisfies KeptFile)));
      return sealer.finish();
    };
    this.#file.save(make, { onWritten: () => time.written(this.#clock.now()) });
    await this.#file.settled();
  }

  /** Writes what is still to be written. */
  async stop(): Promise<void> {
    await this.#file?.stop();
    await this.#time?.stop();
  }

  #noteVariables({ config, readings }: Address): void {
    const prefix = typeof config.prefix === 'string' ? config.prefix : '';
    for (const reading of readings) {
      if (reading) this.#variables.add(variableName(prefix, reading.query.path, reading.query.version.stage));
    }
  }

  #keptOf(key: string, reference: string, identity: string, address: Address): KeptSetting | undefined {
    const { ttl, resurrectTtl } = address.lifetimes;
    return this.#fromDisk.find((kept) => {
      const same = kept.key === key && kept.reference === reference && kept.identity === identity;
      return same && (ttl === 0 || kept.ageMs < ttl + resurrectTtl);
    });
  }

  /** Takes in what the disk has, once it is known where that is. */
  async #open({ data_dir: dataDir, secrets_key_file: keyFile }: Record<string, unknown>): Promise<void> {
    if (this.#opened || typeof dataDir !== 'string' || typeof keyFile !== 'string') return;
    this.#opened = true;
    const { env, log, readOnly } = this.#options;
    this.#surroundings = await surroundingsOf(env);
    try {
      this.#key = readSecretsKey(keyFile, readOnly ? undefined : log);
    } catch (error) {
      if (readOnly) return;
      throw error;
    }
    const path = join(dataDir, KEPT_SETTINGS_FILE_NAME);
    try {
      const file = readFileSync(path);
      this.#time = new NotedTime({ path, clock: this.#clock, log });
      const lastSeenWall = this.#time.read();
      const nodeId = readFileSync(join(dataDir, 'node-id'), 'utf8').trim();
      this.#fromDisk = this.#decode(unseal({ kind: KIND, key: this.#key, nodeId }, file), lastSeenWall);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || readOnly) return;
      const reason = errorMessage(error);
      const aside = error instanceof BrokenSeal ? await setAside(path, this.#clock.now()) : null;
      this.#damage = `it could not be used (${reason})${aside === null ? '' : ` and has been set aside as ${aside}`}`;
      log.error({ path, set_aside_as: aside, reason }, 'the last known values of settings can not be used');
    }
  }

  #decode(plain: Buffer, lastSeenWall: number): KeptSetting[] {
    try {
      const { saved, surroundings, settings } = JSON.parse(plain.toString('utf8')) as KeptFile;
      if (surroundings !== this.#surroundings) return [];
      const elapsed = elapsedSince(saved, this.#begun, lastSeenWall);
      return settings.map((kept) => ({ ...kept, ageMs: kept.ageMs + elapsed }));
    } catch {
      // The engine's message may quote the text.
      throw new BrokenSeal('its content has not the form that its first line names');
    } finally {
      plain.fill(0);
    }
  }
}
