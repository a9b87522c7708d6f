import type { Place } from '@vaultplane/backends/blob-store/place.ts';
import { ENROLLED_SERVER_NAME } from '@vaultplane/model/protocol/enrolment.ts';
import { ExportRefused, type ExportTrust, openExport } from '@vaultplane/model/snapshots/snapshot-export.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Address } from '@vaultplane/platform/net/network-address.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Configuration } from './configuration.ts';
import type { LinkCredentials } from './link-credentials.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** The control plane has this long to answer first. */
export const FALLBACK_FIRST_MS = 1000;
/** While there is no configuration from anywhere, the waits between tries grow from here … */
const FIRST_RETRY_MS = 2000;
/** … to here; with one, this is how often it is looked whether there is a newer one. */
export const FALLBACK_EVERY_MS = 60_000;
const READ_TIMEOUT_MS = 30_000;

export interface ConfigurationFallbackOptions {
  place: Place;
  /** Asked for each time: certificates may be renewed. */
  trust: () => ExportTrust | Promise<ExportTrust>;
  configuration: Configuration;
  /** For credentials of vaults in the export. */
  keyring?: Keyring | undefined;
  /** While there is a link to a control plane, that is asked and nobody else. */
  isLinked: () => boolean;
  clock: Clock;
  log: Log;
  /** From 0 up to 1. */
  random?: () => number;
}

/**
 * Who may have signed: the holder of the export key where that is configured, or all members of the cluster have one
 * certificate; else whoever this data plane would take for its control plane on the link.
 *
 * @throws ExportRefused where that can't be told yet
 */
export function exportTrust(
  { mtls, ca, allowedCommonNames, serverName, strictUsage = false }: LinkCredentials,
  endpoints: readonly Address[],
  trusted: Pick<TrustedKeys, 'configured' | 'keys'>,
): ExportTrust {
  const keys = mtls === 'shared' ? trusted.keys : trusted.configured;
  if (keys && keys.length > 0) return { by: 'key', keys };
  if (mtls === 'shared') throw new ExportRefused(KEY_UNKNOWN);
  // The cluster's own CA makes certificates of servers for control planes only, all for one name.
  if (mtls === 'enrolled') return { by: 'authority', ca: ca!, names: [ENROLLED_SERVER_NAME], strictUsage: true };
  const names = serverName === undefined ? endpoints.map(({ host }) => host) : [serverName];
  return { by: 'authority', ca: ca!, allowedCommonNames, names, strictUsage };
}

/** Who may have signed for a data plane that has yet to join: the control planes of the CA that its token pins. */
export function joiningTrust(pin: string, trusted: Pick<TrustedKeys, 'configured'>): ExportTrust {
  const { configured: keys } = trusted;
  if (keys && keys.length > 0) return { by: 'key', keys };
  return { by: 'authority', ca: { pin }, names: [ENROLLED_SERVER_NAME], strictUsage: true };
}

const KEY_UNKNOWN =
  'it is not used before the export key is known, since under cluster_mtls = shared any data plane could have signed it; set config_export_public_key (`vaultplane-cp export-key` prints it)';

/** Looks at config_fallback_url for as long as no control plane answers (specification.md §8). */
export class ConfigurationFallback {
  readonly #options: ConfigurationFallbackOptions;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  #cancelTimer: () => void = () => {};
  #looking: Promise<void> = Promise.resolve();
  #failures = 0;
  #error: string | null = null;

  private constructor(options: ConfigurationFallbackOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  static start(options: ConfigurationFallbackOptions): ConfigurationFallback {
    const fallback = new ConfigurationFallback(options);
    fallback.#lookAfter(FALLBACK_FIRST_MS);
    return fallback;
  }

  /** Why it gave nothing when it was looked at last; null where it did, or was not needed. */
  get error(): string | null {
    return this.#error;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelTimer();
    await this.#looking;
    this.#options.place.stop();
  }

  #lookAfter(ms: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#looking = this.#look().then(() => this.#lookAfter(this.#pause()));
    });
  }

  /** Fleets do not look in step. */
  #pause(): number {
    const { configuration } = this.#options;
    const longest =
      configuration.current === null
        ? Math.min(FALLBACK_EVERY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10))
        : FALLBACK_EVERY_MS;
    return longest * (0.5 + this.#random() / 2);
  }

  async #look(): Promise<void> {
    const { place, trust, configuration, isLinked, clock, log, keyring } = this.#options;
    if (isLinked()) {
      this.#failures = 0;
      this.#error = null;
      return;
    }
    try {
      const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(READ_TIMEOUT_MS)]);
      const document = await place.read(signal);
      if (!document) throw new Error(`${place.name}: there is nothing`);
      const exported = openExport(document, await trust(), clock.now(), keyring);
      this.#failures = 0;
      this.#error = null;
      // It may have come meanwhile.
      if (isLinked() || this.#stopping.signal.aborted) return;
      if (!configuration.acceptFallback(exported.snapshot, exported.defaults)) return;
      log.warn(
        {
          place: place.name,
          exported_at: new Date(exported.exportedAt).toISOString(),
          version: exported.snapshot.version,
        },
        'no control plane answers; an exported configuration is in use',
      );
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#failures++;
      const reason = error instanceof ExportRefused ? `${place.name}: ${error.message}` : errorMessage(error);
      const level = this.#error === reason ? 'debug' : 'warn';
      this.#error = reason;
      log[level]({ reason }, 'no control plane answers, and config_fallback_url gives no configuration');
    }
  }
}
