import type { Place } from '@vaultplane/backends/blob-store/place.ts';
import { type ConfigDefaults, encodeForMany, snapshotMessage } from '@vaultplane/model/protocol/protocol.ts';
import type { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import { prefixesWithheld, sealSnapshot } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import { encodeExport } from '@vaultplane/model/snapshots/snapshot-export.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { ClusterIdentity } from './peer-check.ts';
import type { Publisher } from './publisher.ts';

/** A version is exported when none has followed it for the first of these, and after the second whatever follows. */
export const EXPORT_QUIET_MS = 1000;
export const EXPORT_LATEST_MS = 10_000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** For one write. */
const WRITE_TIMEOUT_MS = 60_000;

export interface ConfigExportOptions {
  place: Place;
  /** The certificate that signs; read at every export. */
  identity: () => Pick<ClusterIdentity, 'certificate' | 'key'>;
  /** Signs too, for data planes that know its public half. */
  exportKey?: ExportKey | undefined;
  defaults: ConfigDefaults;
  publisher: Publisher;
  /** Between two exports at least, milliseconds. Default 0. */
  intervalMs?: number;
  /** For credentials of vaults; without it they are left out. */
  keyring?: Keyring | undefined;
  clock: Clock;
  log: Log;
}

/** How the export stands, for /status. */
export interface ExportState {
  /** Where to. */
  place: string;
  /** The version that is there; null before the first. */
  version: number | null;
  /** ISO 8601. */
  exported_at: string | null;
  /** Why the last try failed; null where it did not. */
  error: string | null;
}

/**
 * Keeps the newest configuration, signed, at config_export_url, for data planes that find no control plane. Every control
 * plane does so by itself; what one that lags behind puts there, it soon replaces by the newest.
 */
export class ConfigExport {
  readonly #options: ConfigExportOptions;
  readonly #stopping = new AbortController();
  readonly #unfollow: () => void;
  readonly #state: ExportState;
  #cancelTimer: () => void = () => {};
  #writing: Promise<void> | undefined;
  /** Since when there is something that is not exported, by the monotonic clock. */
  #owingSince: number | undefined;
  /** When the last one succeeded, by the monotonic clock. */
  #exportedAt: number | undefined;
  #failures = 0;
  #hasWarned = false;

  private constructor(options: ConfigExportOptions) {
    this.#options = options;
    this.#state = { place: options.place.name, version: null, exported_at: null, error: null };
    this.#unfollow = options.publisher.follow(() => this.exportSoon());
  }

  /** The current configuration is exported soon. */
  static start(options: ConfigExportOptions): ConfigExport {
    const configExport = new ConfigExport(options);
    configExport.exportSoon();
    return configExport;
  }

  get state(): ExportState {
    return { ...this.#state };
  }

  /** There is something new: a version, or a certificate to sign with. */
  exportSoon(): void {
    const now = this.#options.clock.monotonic();
    this.#owingSince ??= now;
    // One that failed before waits for its own time.
    if (this.#writing || this.#failures > 0) return;
    this.#writeAfter(Math.min(EXPORT_QUIET_MS, Math.max(0, this.#owingSince + EXPORT_LATEST_MS - now)));
  }

  async stop(): Promise<void> {
    this.#unfollow();
    this.#cancelTimer();
    this.#stopping.abort();
    await this.#writing;
    this.#options.place.stop();
  }

  #writeAfter(ms: number): void {
    this.#cancelTimer();
    if (this.#stopping.signal.aborted) return;
    const { clock, intervalMs = 0 } = this.#options;
    const pauseMs = this.#exportedAt === undefined ? 0 : this.#exportedAt + intervalMs - clock.monotonic();
    this.#cancelTimer = clock.after(Math.max(ms, pauseMs), () => {
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        if (this.#failures > 0)
          this.#writeAfter(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1)));
        else if (this.#owingSince !== undefined) this.#writeAfter(EXPORT_QUIET_MS);
      });
    });
  }

  async #write(): Promise<void> {
    const { place, identity, exportKey, defaults, publisher, clock, log, keyring } = this.#options;
    this.#owingSince = undefined;
    try {
      const { current } = publisher;
      const sealed = sealSnapshot(current, keyring);
      const encoded = sealed === current ? await publisher.whole() : await encodeForMany(snapshotMessage(sealed));
      const exportedAt = clock.now();
      const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(WRITE_TIMEOUT_MS)]);
      await place.write(encodeExport(encoded, { defaults, exportedAt }, identity(), exportKey), signal);
      const { version } = current;
      Object.assign(this.#state, { version, exported_at: new Date(exportedAt).toISOString(), error: null });
      this.#failures = 0;
      this.#exportedAt = clock.monotonic();
      log.info({ version, place: place.name }, 'the configuration is exported');
      if (sealed !== current && !keyring && !this.#hasWarned) {
        this.#hasWarned = true;
        log.warn(
          { vaults: prefixesWithheld(sealed).slice(0, 20) },
          'credentials of vaults are not exported; secrets_key_file is not set (data planes need the same), and these vaults are unavailable to whoever starts from the export until a control plane is reached',
        );
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#failures++;
      this.#owingSince = clock.monotonic();
      const reason = errorMessage(error);
      const level = this.#state.error === reason ? 'debug' : 'error';
      this.#state.error = reason;
      log[level]({ place: place.name, reason }, 'the configuration can not be exported; tried again');
    }
  }
}
