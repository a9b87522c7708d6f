import type { BackendError, BackendErrorCode } from '@vaultplane/model/errors/backend-error.ts';
import type { Origin, PolicyNow } from '@vaultplane/model/upstream-policy/guard.ts';
import type { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { VariableRules } from '@vaultplane/model/vaults/variable-rules.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Proxies } from './proxies/proxies.ts';

/** What a vault answered. The value hides itself wherever objects are printed. */
export interface FetchedSecret {
  value: SecretValue;
  version: { id: string | null; stages: readonly string[] };
  /** Milliseconds since 1970; null where the vault does not say. */
  createdAt: number | null;
  /** The vault's own lasting name of the secret; null where it has none. */
  arn: string | null;
  name: string;
}

/** What secrets may be chosen by: a tag of this key and, if given, of exactly this value. */
export interface SecretTag {
  key: string;
  value?: string | undefined;
}

/** Where secrets of one vault come from, in one region and under one role. Keeps no value. */
export interface SecretBackend {
  /** What throttling is told apart by: vaults of one scope share one upstream limit. */
  readonly scope: string;
  /** For people: where it asks, such as `AWS Secrets Manager in us-east-1`. */
  readonly description: string;
  /** @throws BackendError, and nothing else */
  fetch(query: SecretQuery, signal: AbortSignal): Promise<FetchedSecret>;
  /** Answers in the order of the queries; never rejects. */
  fetchMany(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>>;
  /**
   * The paths of the secrets with a tag. Absent where the vault knows no tags.
   *
   * @throws BackendError, and nothing else
   */
  findByTag?(tag: SecretTag, signal: AbortSignal): Promise<string[]>;
}

/** One call to AWS that has ended. */
export interface UpstreamCall {
  /** AWS's name of it, such as GetSecretValue. */
  operation: string;
  outcome: 'ok' | 'throttled' | BackendErrorCode;
  seconds: number;
}

/** Calls to AWS since the start, for /status and metrics. */
export interface UpstreamCounts {
  calls: number;
  errors: number;
  throttled: number;
  /** Told of each call when it has ended. */
  ended?: (call: UpstreamCall) => void;
}

/** How long a call to a vault may take, milliseconds. */
export interface Deadlines {
  /** Until there is a connection. */
  connect: number;
  /** Until there is an answer, credentials and a second try included. */
  total: number;
}

export function deadlinesOf(settings: {
  upstream_connect_timeout?: number | undefined;
  upstream_timeout?: number | undefined;
}): Deadlines {
  const { upstream_connect_timeout: connect = 1, upstream_timeout: total = 5 } = settings;
  return { connect: connect * 1000, total: total * 1000 };
}

/** What backends of every type are given. */
export interface BackendContext {
  env: NodeJS.ProcessEnv;
  /** Which variables of it may be given away as secrets; without it all but the program's own. */
  variables?: VariableRules;
  log: Log;
  /** `system` and/or PEM files: whom TLS connections to vaults trust. */
  trustedCertificates: readonly string[];
  /** Which calls go through a proxy; without it what the environment says. */
  proxies?: Proxies | undefined;
  /** The address that this program itself serves secrets at, HOST:PORT: an endpoint that leads there is refused. */
  ownListen?: string | undefined;
  /** The AWS region of the program itself, where the environment and the profile name none. */
  homeRegion?: string | undefined;
  deadlines: Deadlines;
  counts: UpstreamCounts;
  /** What of this program's own may leave for destinations of pushed vaults; without it what holds without a file. */
  upstreamPolicy?: PolicyNow | undefined;
}

/** On whose word a vault is opened. */
export interface Opening {
  origin: Origin;
  /** Where `config.region` was set, for people; absent where it is not set. */
  regionFrom?: string | undefined;
  /** The configuration as it was given, with references where credentials stand elsewhere; the same where none does. */
  given?: VaultConfig;
}

/** A vault that the program's own settings configure. */
export const OWN: Opening = { origin: 'own' };

/** As whom a vault is asked. */
export interface Caller {
  /** Where the credentials came from. */
  source: string;
  account: string;
  /** What `account` is, where it is not called so. */
  accountKind?: 'project' | 'policies';
  arn: string;
}

/** All backends of one vault type in one program; it owns what they share, such as connections and credentials. */
export interface BackendFamily {
  /**
   * @param config the vault's configuration, defaults filled in and the reference's options merged in
   * @throws BackendError unavailable, for example where no region is known; asking again later may succeed
   */
  open(config: VaultConfig, opening: Opening): Promise<SecretBackend>;
  /**
   * Absent where a type of vault knows no identities.
   *
   * @throws BackendError
   */
  caller?(config: VaultConfig, opening: Opening): Promise<Caller>;
  stop(): void;
}
