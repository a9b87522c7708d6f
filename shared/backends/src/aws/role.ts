import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { callAws } from './call.ts';
import { CredentialStore } from './credential-store.ts';
import { openSts, type StsOptions } from './sts.ts';

export interface RoleOptions extends StsOptions {
  roleArn: string;
  sessionName: string;
  signal: AbortSignal;
}

/** The credentials of a role that is assumed on top of the given ones. */
export async function assumeRole(options: RoleOptions): Promise<CredentialStore> {
  const { roleArn, sessionName, credentials, connections, context, signal } = options;
  const { client, target } = await openSts(options);
  const { AssumeRoleCommand } = await import('@aws-sdk/client-sts');
  const deadline = context.deadlines.total;
  const call = {
    operation: 'AssumeRole',
    subject: `role ${shownName(roleArn)}`,
    target,
    credentials,
    deadline,
    signal,
  };
  return new CredentialStore(async () => {
    const command = new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: sessionName });
    const { Credentials: given } = await callAws(call, (abortSignal) => client.send(command, { abortSignal }));
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken) {
      throw new BackendError('unavailable', `role ${shownName(roleArn)}: ${target} answered without credentials`);
    }
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      ...(given.Expiration && { expiration: given.Expiration }),
    };
  }, connections.clock.now);
}
