import type { STSClient } from '@aws-sdk/client-sts';
import type { Carried } from '@vaultplane/model/upstream-policy/carried.ts';
import { destinationOfUrl } from '@vaultplane/model/upstream-policy/destination.ts';
import { OWN_GUARD, PushedGuard, type UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext, Opening } from '../backend.ts';
import type { AwsConnections } from './connections.ts';
import type { CredentialStore } from './credential-store.ts';
import { localEndpoint, stsTarget } from './endpoint.ts';
import { readProfile } from './profile.ts';

/** Where STS is asked, and by whom. */
export interface StsOptions {
  /** The vault's. */
  region: string;
  /** The vault's sts_endpoint_url. */
  stsEndpoint: string | undefined;
  credentials: CredentialStore;
  connections: AwsConnections;
  context: BackendContext;
  /** On whose word STS is asked. */
  opening: Opening;
  /** The role that it is asked for. */
  roleArn?: string;
}

/** A client of STS, and what it is called in errors. Its connections are shared: it is not to be destroyed. */
export async function openSts(options: StsOptions): Promise<{ client: STSClient; target: string }> {
  const { credentials, connections, context, opening, roleArn } = options;
  // Loaded only where STS is asked.
  const { STSClient } = await import('@aws-sdk/client-sts');
  const profile = await readProfile(context.env);
  const setting = profile.section?.sts_regional_endpoints;
  const { region, endpoint } = stsTarget(options.region, options.stsEndpoint, context.env, setting);
  // The SDK would look there by itself; then nobody here would know on whose word it goes there.
  const local = options.stsEndpoint ? undefined : await localEndpoint('STS', context.env);
  const url = endpoint?.url ?? local?.url;
  const client = new STSClient({
    region,
    ...(url !== undefined && { endpoint: url }),
    credentials: credentials.provider,
    requestHandler: connections.handlerFor(awsGuard(opening, context, local?.url, roleArn)),
    maxAttempts: 1,
    ...connections.clock.clientOptions,
  });
  const at = endpoint ? ` at ${shownUrl(endpoint.url)} (${endpoint.from})` : '';
  return { client, target: `AWS STS in ${shownName(region)}${at}` };
}

/**
 * @param local the endpoint that this machine's own settings name, where it is the one that is asked
 * @param roleArn the role that the call is to assume
 */
export function awsGuard(
  { origin }: Opening,
  { upstreamPolicy: policy }: Pick<BackendContext, 'upstreamPolicy'>,
  local?: string,
  roleArn?: string,
): UpstreamGuard {
  if (origin === 'own') return OWN_GUARD;
  const named = local === undefined ? undefined : destinationOfUrl(local);
  const role: Carried[] = roleArn === undefined ? [] : [{ kind: 'role', arn: roleArn }];
  return new PushedGuard({
    type: 'aws',
    carries: [{ kind: 'identity' }, ...role],
    policy,
    ...(named && { named: [named] }),
  });
}
