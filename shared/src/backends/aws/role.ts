import type { BackendContext } from '../backend.ts';
import { BackendError } from '../backend.ts';
import { callAws } from './call.ts';
import type { AwsConnections } from './connections.ts';
import { CredentialStore } from './credential-store.ts';
import { stsTarget } from './endpoint.ts';
import { readProfile } from './profile.ts';

export interface RoleOptions {
  roleArn: string;
  sessionName: string;
  stsEndpoint: string | undefined;
  region: string;
  /** Who assumes it. */
  base: CredentialStore;
  connections: AwsConnections;
  context: BackendContext;
  signal: AbortSignal;
}

/** The credentials of an assumed role, on top of others. */
export async function assumeRole(options: RoleOptions): Promise<CredentialStore> {
  const { roleArn, sessionName, base, context } = options;
  // Loaded only where a role is assumed.
  const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts');
  const profile = await readProfile(context.env);
  const setting = profile.section?.sts_regional_endpoints;
  const { region, endpoint } = stsTarget(options.region, options.stsEndpoint, context.env, setting);
  const client = new STSClient({
    region,
    ...(endpoint && { endpoint: endpoint.url }),
    credentials: base.provider,
    requestHandler: options.connections.handler,
    maxAttempts: 1,
  });
  const call = {
    subject: `role ${roleArn}`,
    target: `AWS STS in ${region}${endpoint ? ` at ${endpoint.url} (${endpoint.from})` : ''}`,
    credentials: base,
    deadline: context.deadlines.total,
    signal: options.signal,
  };
  return new CredentialStore(async () => {
    const command = new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: sessionName });
    const { Credentials: given } = await callAws(call, (abortSignal) => client.send(command, { abortSignal }));
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken) {
      throw new BackendError('unavailable', `role ${roleArn}: ${call.target} answered without credentials`);
    }
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      ...(given.Expiration && { expiration: given.Expiration }),
    };
  });
}
