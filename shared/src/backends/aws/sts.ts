import type { STSClient } from '@aws-sdk/client-sts';
import type { BackendContext } from '../backend.ts';
import type { AwsConnections } from './connections.ts';
import type { CredentialStore } from './credential-store.ts';
import { stsTarget } from './endpoint.ts';
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
}

/** A client of STS, and what it is called in errors. Its connections are shared: it is not to be destroyed. */
export async function openSts(options: StsOptions): Promise<{ client: STSClient; target: string }> {
  const { credentials, connections, context } = options;
  // Loaded only where STS is asked.
  const { STSClient } = await import('@aws-sdk/client-sts');
  const profile = await readProfile(context.env);
  const setting = profile.section?.sts_regional_endpoints;
  const { region, endpoint } = stsTarget(options.region, options.stsEndpoint, context.env, setting);
  const client = new STSClient({
    region,
    ...(endpoint && { endpoint: endpoint.url }),
    credentials: credentials.provider,
    requestHandler: connections.handler,
    maxAttempts: 1,
  });
  return { client, target: `AWS STS in ${region}${endpoint ? ` at ${endpoint.url} (${endpoint.from})` : ''}` };
}
