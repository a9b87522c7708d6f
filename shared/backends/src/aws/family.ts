import { SecretsManagerClient, type SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager';
import { parseUrl } from '@smithy/core/protocols';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext, BackendFamily, Caller, Opening, SecretBackend } from '../backend.ts';
import { callerOf } from './caller.ts';
import { AwsConnections } from './connections.ts';
import type { CredentialStore } from './credential-store.ts';
import { localEndpoint } from './endpoint.ts';
import { localCredentials, localRegion } from './local-credentials.ts';
import { assumeRole } from './role.ts';
import { SecretsManagerBackend } from './secrets-manager.ts';
import { awsGuard } from './sts.ts';

/**
 * Trying again is the refresher's to do, which knows about every other call (specification.md §4). The SDK's own strategy takes
 * longer to say so (`maxAttempts` 1) than the signing of a call.
 */
const NO_RETRIES: NonNullable<SecretsManagerClientConfig['retryStrategy']> = {
  mode: 'standard',
  retry: (next, args) => next(args),
};

/** Roles that are kept; what was used longest ago goes first. A role is one a region, and references name regions freely. */
const MAX_ROLES = 100;

/** Vaults of type `aws` of one program: one chain of credentials, one pool of connections. */
class AwsFamily implements BackendFamily {
  readonly #context: BackendContext;
  readonly #connections: AwsConnections;
  readonly #base: CredentialStore;
  /** One a role and on whose word it is assumed, however many vaults and regions use it. */
  readonly #roles = new Map<string, CredentialStore>();
  readonly #stop = new AbortController();
  /** Where the base credentials came from. */
  #source = '';

  constructor(context: BackendContext) {
    this.#context = context;
    this.#connections = new AwsConnections(context);
    this.#base = localCredentials(context, this.#connections, (source) => {
      this.#source = source;
    });
  }

  async open(config: VaultConfig, opening: Opening): Promise<SecretBackend> {
    const { region, from } = await this.#regionOf(config, opening.regionFrom);
    const credentials = await this.#credentialsOf(config, region, opening);
    const given = textOf(config.endpoint_url);
    const local = given === undefined ? await localEndpoint('SECRETS_MANAGER', this.#context.env) : undefined;
    const endpoint = given === undefined ? local : { url: given, from: 'endpoint_url' };
    const client = new SecretsManagerClient({
      region,
      // Taken apart once; a text would be at every call.
      ...(endpoint && { endpoint: parseUrl(endpoint.url) }),
      credentials: credentials.provider,
      requestHandler: this.#connections.handlerFor(awsGuard(opening, this.#context, local?.url)),
      retryStrategy: NO_RETRIES,
      ...this.#connections.clock.clientOptions,
    });
    const at = endpoint ? ` at ${shownUrl(endpoint.url)} (${endpoint.from})` : '';
    return new SecretsManagerBackend({
      client,
      credentials,
      scope: `aws ${region} ${endpoint?.url ?? ''}`,
      description: `AWS Secrets Manager in ${shownName(region)} (${from})${at}`,
      target: `AWS Secrets Manager in ${shownName(region)}${at}`,
      context: this.#context,
    });
  }

  /** The account and the role that vaults of this configuration are asked as, which needs no region of theirs. */
  async caller(config: VaultConfig, opening: Opening): Promise<Caller> {
    const local = typeof config.region === 'string' ? undefined : (await localRegion(this.#context.env))?.region;
    const region =
      typeof config.region === 'string' ? config.region : (local ?? this.#context.homeRegion ?? 'us-east-1');
    const identity = await callerOf({
      region,
      stsEndpoint: textOf(config.sts_endpoint_url),
      credentials: await this.#credentialsOf(config, region, opening),
      opening,
      connections: this.#connections,
      context: this.#context,
      signal: this.#stop.signal,
    });
    const role = textOf(config.assume_role_arn);
    return { source: role === undefined ? this.#source : `${this.#source}, then ${shownName(role)}`, ...identity };
  }

  stop(): void {
    this.#stop.abort();
    this.#connections.stop();
  }

  async #regionOf(config: VaultConfig, regionFrom = 'region'): Promise<{ region: string; from: string }> {
    if (typeof config.region === 'string') return { region: config.region, from: regionFrom };
    const local = await localRegion(this.#context.env);
    if (local) return local;
    throw new BackendError(
      'unavailable',
      "no AWS region is known: set the vault's region, vault_aws_region or AWS_REGION",
    );
  }

  async #credentialsOf(config: VaultConfig, region: string, opening: Opening): Promise<CredentialStore> {
    const { assume_role_arn: roleArn, role_session_name: sessionName, sts_endpoint_url: stsEndpoint } = config;
    if (typeof roleArn !== 'string') return this.#base;
    const key = JSON.stringify([opening.origin, roleArn, sessionName, stsEndpoint, region]);
    const store =
      this.#roles.get(key) ??
      (await assumeRole({
        roleArn,
        sessionName: textOf(sessionName) ?? 'KongVault',
        stsEndpoint: textOf(stsEndpoint),
        region,
        opening,
        credentials: this.#base,
        connections: this.#connections,
        context: this.#context,
        signal: this.#stop.signal,
      }));
    this.#roles.delete(key);
    this.#roles.set(key, store);
    const [oldest] = this.#roles.keys();
    if (this.#roles.size > MAX_ROLES && oldest !== undefined) this.#roles.delete(oldest);
    return store;
  }
}

function textOf(value: VaultConfig[string] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function startFamily(context: BackendContext): BackendFamily {
  return new AwsFamily(context);
}
