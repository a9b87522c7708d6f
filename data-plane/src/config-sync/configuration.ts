import { join } from 'node:path';
import type { ConfigDefaults } from '@vaultplane/model/protocol/protocol.ts';
import { filledFrom, prefixesWithheld } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import type { ConfigPosition, Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { FLEET_DEFAULT_KEYS } from '@vaultplane/model/vaults/vault-settings.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { setAside } from '@vaultplane/platform/files/durable-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { DamagedSnapshotFile, readSnapshotFile, SnapshotFile } from './snapshot-file.ts';

export type ConfigurationSource = 'control_plane' | 'disk' | 'fallback';

/** The configuration in use. */
export interface CurrentConfiguration {
  snapshot: Snapshot;
  defaults: ConfigDefaults;
  /** `disk` and `fallback` until a control plane has sent or confirmed it. */
  source: ConfigurationSource;
  /** When this version reached this data plane, ms since 1970; kept over a restart. */
  since: number;
}

/** A control plane's database was another than before, and so its version may be lower. */
export interface TimelineChange {
  /** Milliseconds since 1970. */
  at: number;
  from: ConfigPosition;
  to: ConfigPosition;
}

/** What became of a configuration that a control plane offered. */
export type Verdict = 'applied' | 'confirmed' | 'older';

/**
 * Which configuration is in use: at start the disk's, then whatever a control plane offers that is not older than what
 * is in use. A control plane that knows less (it lags behind, or its database was put back without a new timeline)
 * changes nothing; a new timeline is taken over, since an operator restored a backup on purpose.
 */
export class Configuration {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #file: SnapshotFile;
  readonly #listeners = new Set<(current: CurrentConfiguration) => void>();
  #current: CurrentConfiguration | null = null;
  #damaged: string | null = null;
  #timelineChange: TimelineChange | null = null;

  constructor(options: { clock: Clock; log: Log; file: SnapshotFile }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#file = options.file;
  }

  /** Null before there is any. */
  get current(): CurrentConfiguration | null {
    return this.#current;
  }

  /** What is wrong with the file on disk, in words; null where nothing is. */
  get diskProblem(): string | null {
    return this.#file.error === null ? this.#damaged : `not written: ${this.#file.error}`;
  }

  /** The last one since the start; null where there was none. */
  get timelineChange(): TimelineChange | null {
    return this.#timelineChange;
  }

  /** Called with each configuration that is taken into use from now on. Gives the function that ends it. */
  onChange(listener: (current: CurrentConfiguration) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a checked snapshot from a control plane into use, unless it is older than what is in use. */
  accept(snapshot: Snapshot, defaults: ConfigDefaults): Verdict {
    const current = this.#current;
    const verdict = judge(current?.snapshot ?? null, snapshot);
    if (verdict === 'older') return verdict;
    if (current && verdict === 'confirmed') {
      current.source = 'control_plane';
      const isCompleted = current.snapshot.partial && !snapshot.partial;
      if (!isCompleted && sameDefaults(current.defaults, defaults)) return verdict;
    }
    if (current && current.snapshot.timeline !== snapshot.timeline) {
      const change = { from: positionOf(current.snapshot), to: positionOf(snapshot) };
      this.#timelineChange = { at: this.#clock.now(), ...change };
      this.#log.warn(
        change,
        "the control plane's database has begun a new timeline (a backup was restored); its configuration is in use now",
      );
    }
    const since = verdict === 'confirmed' && current ? current.since : this.#clock.now();
    this.#use({ snapshot, defaults, source: 'control_plane', since });
    this.#file.save({ snapshot, defaults, savedAt: since });
    return verdict;
  }

  /**
   * Takes an exported configuration into use while no control plane can be asked: where there is none yet, or a later
   * version of the one that is in use. What is of another timeline may be older than what is in use, for all that can be
   * known here; only a control plane can say.
   *
   * @returns whether it is in use now
   */
  acceptFallback(exported: Snapshot, defaults: ConfigDefaults): boolean {
    const current = this.#current?.snapshot;
    if (current && (current.timeline !== exported.timeline || current.version >= exported.version)) return false;
    // Credentials that an export has not may have been changed with it, but those in use are the best there are.
    const snapshot = filledFrom(exported, current);
    const since = this.#clock.now();
    this.#use({ snapshot, defaults, source: 'fallback', since });
    this.#file.save({ snapshot, defaults, savedAt: since });
    return true;
  }

  /**
   * Begins with what the disk has. A damaged file is set aside and reported, never half used; one that can't be read, or
   * not be set aside, is reported and left alone: a control plane that is there is all that a data plane needs.
   */
  async loadFromDisk(path: string, keyring?: Keyring | undefined): Promise<void> {
    try {
      const saved = await readSnapshotFile(path, keyring);
      if (!saved) return;
      const withheld = prefixesWithheld(saved.snapshot);
      if (withheld.length > 0) {
        this.#log.warn(
          { vaults: withheld.slice(0, 20) },
          'credentials of vaults are lacking; they are not on disk, or not under the key of secrets_key_file, and these vaults are unavailable until a control plane is reached',
        );
      }
      this.#use({ snapshot: saved.snapshot, defaults: saved.defaults, source: 'disk', since: saved.savedAt });
    } catch (error) {
      const reason = errorMessage(error);
      if (!(error instanceof DamagedSnapshotFile)) {
        this.#damaged = `the configuration on disk can't be read (${reason})`;
        this.#log.error({ path, reason }, 'the configuration on disk can not be read; beginning without one');
        return;
      }
      const aside = await setAside(path, this.#clock.now());
      this.#damaged =
        `the configuration on disk was damaged (${reason}) and ` +
        (aside === null ? 'could not be set aside' : `has been set aside as ${aside}`);
      this.#log.error({ path, set_aside_as: aside, reason }, 'the configuration on disk is damaged and is not used');
    }
  }

  /** Writes what is still to be written. */
  async stop(): Promise<void> {
    this.#listeners.clear();
    await this.#file.stop();
  }

  #use(configuration: CurrentConfiguration): void {
    this.#current = configuration;
    this.#log.info(
      {
        ...positionOf(configuration.snapshot),
        source: configuration.source,
        vaults: configuration.snapshot.vaults.length,
      },
      'configuration in use',
    );
    for (const listener of this.#listeners) listener(configuration);
  }
}

/**
 * Whether what a control plane has is to be taken into use. One version with two hashes can only come from a database
 * that was put back by hand; then the control plane is right, as it is for everybody else.
 */
export function judge(current: ConfigPosition | null, offered: ConfigPosition): Verdict {
  if (!current || current.timeline !== offered.timeline || offered.version > current.version) return 'applied';
  if (offered.version < current.version) return 'older';
  return offered.hash === current.hash ? 'confirmed' : 'applied';
}

/** Opens the configuration of a data directory: what the disk has is in use when this returns. */
export async function openConfiguration(options: {
  dataDir: string;
  clock: Clock;
  log: Log;
  /** For credentials of vaults on disk. */
  keyring?: Keyring | undefined;
}): Promise<Configuration> {
  const { clock, log, keyring } = options;
  const path = join(options.dataDir, SNAPSHOT_FILE_NAME);
  const configuration = new Configuration({ clock, log, file: new SnapshotFile({ path, clock, log, keyring }) });
  await configuration.loadFromDisk(path, keyring);
  return configuration;
}

export const SNAPSHOT_FILE_NAME = 'config.snapshot';

export function positionOf({ timeline, version, hash }: ConfigPosition): ConfigPosition {
  return { timeline, version, hash };
}

function sameDefaults(a: ConfigDefaults, b: ConfigDefaults): boolean {
  return FLEET_DEFAULT_KEYS.every((key) => a[key] === b[key]);
}
