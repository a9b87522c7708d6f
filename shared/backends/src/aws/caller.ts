import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Caller } from '../backend.ts';
import { callAws } from './call.ts';
import { openSts, type StsOptions } from './sts.ts';

/**
 * Who AWS says that credentials are of. Any identity may ask that.
 *
 * @throws BackendError
 */
export async function callerOf(options: StsOptions & { signal: AbortSignal }): Promise<Omit<Caller, 'source'>> {
  const { credentials, context, signal } = options;
  const { client, target } = await openSts(options);
  const { GetCallerIdentityCommand } = await import('@aws-sdk/client-sts');
  const deadline = context.deadlines.total;
  const call = { operation: 'GetCallerIdentity', subject: 'caller identity', target, credentials, deadline, signal };
  const command = new GetCallerIdentityCommand({});
  const { Account: account, Arn: arn } = await callAws(call, (abortSignal) => client.send(command, { abortSignal }));
  if (account === undefined || arn === undefined) {
    throw new BackendError('unavailable', `caller identity: ${target} answered without saying who calls`);
  }
  return { account, arn };
}
