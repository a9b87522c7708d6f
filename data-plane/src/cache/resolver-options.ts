import type { UpstreamCall } from '@vaultplane/backends/backend.ts';
import type { BackendSource } from '@vaultplane/backends/backends.ts';
import type { ConfigDefaults } from '@vaultplane/model/protocol/protocol.ts';
import type { Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import type { VaultSettings } from '@vaultplane/model/vaults/vault-settings.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Random } from './backoff.ts';
import type { UpstreamOptions } from './upstream.ts';

/** The settings that a resolver goes by (specification.md §2). */
export interface ResolverSettings extends VaultSettings {
  ssl_trusted_certificate?: string[] | undefined;
  upstream_connect_timeout?: number | undefined;
  upstream_timeout?: number | undefined;
  cache_max_entries: number;
  cache_max_bytes: number;
}

/** What a control plane says; `snapshot` is null for as long as there is none from anywhere. */
export interface ResolverConfig {
  snapshot: Snapshot | null;
  defaults: ConfigDefaults;
}

export interface ResolverOptions {
  clock: Clock;
  log: Log;
  env: NodeJS.ProcessEnv;
  settings: ResolverSettings;
  /** The data plane's own api_listen, HOST:PORT: an AWS endpoint that leads there is refused. */
  ownListen?: string | undefined;
  /** What of this node's own may leave for destinations of pushed vaults; what holds without a file, where not given. */
  upstreamPolicy?: UpstreamPolicy | undefined;
  /** Told when other vaults are rejected than before. */
  onRejected?: (() => void) | undefined;
  random?: Random;
  /** Whether an environment variable is a credential of the data plane's, and so no secret for applications. */
  isCredentialVariable?: ((name: string) => boolean) | undefined;
  /** Why a vault may not be asked for an entry now; null where it may. */
  refusalOf?: UpstreamOptions['refusalOf'];
  /** Told of each call to a vault when it has ended, and of the vault's type. */
  onUpstreamCall?: ((call: UpstreamCall, type: string) => void) | undefined;
  /** For tests: where secrets come from, in place of real vaults. */
  backends?: BackendSource;
}
