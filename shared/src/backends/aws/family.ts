import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { VaultConfig } from '../../vaults/entity.ts';
import { type BackendContext, BackendError, type BackendFamily, type SecretBackend } from '../backend.ts';
import { AwsConnections } from './connections.ts';
import { findCredentials } from './credential-sources.ts';
import { CredentialStore } from './credential-store.ts';
import { configuredEndpoint } from './endpoint.ts';
import { readProfile } from './profile.ts';
import { assumeRole } from './role.ts';
import { SecretsManagerBackend } from './secrets-manager.ts';

/** Vaults of type `aws` of one program: one chain of credentials, one pool of connections. */
class AwsFamily implements BackendFamily {
  readonly #context: BackendContext;
  readonly #connections: AwsConnections;
  readonly #base: CredentialStore;
  /** One a role, however many vaults and regions use it. */
  readonly #roles = new Map<string, CredentialStore>();
  readonly #stop = new AbortController();

  constructor(context: BackendContext) {
    this.#context = context;
    this.#connections = new AwsConnections(context);
    let source = '';
    this.#base = new CredentialStore(async () => {
      const homeRegion = (await this.#localRegion())?.region ?? context.homeRegion ?? 'us-east-1';
      const found = await findCredentials({ ...context, connections: this.#connections, homeRegion });
      if (found.source !== source) {
        source = found.source;
        context.log.info({ source }, 'AWS credentials found');
      }
      return found.credentials;
    });
  }

  async open(config: VaultConfig, regionFrom?: string): Promise<SecretBackend> {
    const { region, from } = await this.#regionOf(config, regionFrom);
    const credentials = await this.#credentialsOf(config, region);
    const endpoint =
      typeof config.endpoint_url === 'string'
        ? { url: config.endpoint_url, from: 'endpoint_url' }
        : configuredEndpoint('SECRETS_MANAGER', this.#context.env);
    const client = new SecretsManagerClient({
      region,
      ...(endpoint && { endpoint: endpoint.url }),
      credentials: credentials.provider,
      requestHandler: this.#connections.handler,
      // Trying again is the refresher's to do, which knows about every other call (CONTRACT.md §4).
      maxAttempts: 1,
    });
    const at = endpoint ? ` at ${endpoint.url} (${endpoint.from})` : '';
    return new SecretsManagerBackend({
      client,
      credentials,
      scope: `aws ${region} ${endpoint?.url ?? ''}`,
      description: `AWS Secrets Manager in ${region} (${from})${at}`,
      target: `AWS Secrets Manager in ${region}${at}`,
      context: this.#context,
    });
  }

  stop(): void {
    this.#stop.abort();
    this.#connections.stop();
  }

  async #regionOf(config: VaultConfig, regionFrom = 'region'): Promise<{ region: string; from: string }> {
    if (typeof config.region === 'string') return { region: config.region, from: regionFrom };
    const local = await this.#localRegion();
    if (local) return local;
    throw new BackendError(
      'unavailable',
      "no AWS region is known: set the vault's region, vault_aws_region or AWS_REGION",
    );
  }

  /** The region that this machine's environment or profile says. */
  async #localRegion(): Promise<{ region: string; from: string } | undefined> {
    for (const from of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
      const region = this.#context.env[from];
      if (region) return { region, from };
    }
    const profile = await readProfile(this.#context.env);
    const region = profile.section?.region;
    return region ? { region, from: `profile ${profile.name}` } : undefined;
  }

  async #credentialsOf(config: VaultConfig, region: string): Promise<CredentialStore> {
    const { assume_role_arn: roleArn, role_session_name: sessionName, sts_endpoint_url: stsEndpoint } = config;
    if (typeof roleArn !== 'string') return this.#base;
    const key = JSON.stringify([roleArn, sessionName, stsEndpoint, region]);
    let store = this.#roles.get(key);
    if (!store) {
      store = await assumeRole({
        roleArn,
        sessionName: typeof sessionName === 'string' ? sessionName : 'KongVault',
        stsEndpoint: typeof stsEndpoint === 'string' ? stsEndpoint : undefined,
        region,
        base: this.#base,
        connections: this.#connections,
        context: this.#context,
        signal: this.#stop.signal,
      });
      this.#roles.set(key, store);
    }
    return store;
  }
}

export function startFamily(context: BackendContext): BackendFamily {
  return new AwsFamily(context);
}
