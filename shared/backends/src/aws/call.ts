import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { type CountedCall, countedCall } from '../http/counted-call.ts';
import { type BoundedCall, withinDeadline } from '../http/deadline.ts';
import type { CredentialStore } from './credential-store.ts';
import { CredentialsRefused, fromAwsException } from './errors.ts';

/** One call to AWS, as people and counters see it. */
export interface AwsCall extends BoundedCall, CountedCall {
  /** Whose answers may be refused, and then be had anew. */
  credentials: CredentialStore;
}

/**
 * Makes a call under a deadline. Where AWS refuses the credentials, they are had anew at once, and if they then are
 * others the call is made once more; so it is where the SDK has just learned how wrong this machine's clock is.
 *
 * @throws BackendError
 */
export async function callAws<T>(call: AwsCall, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withinDeadline(call, (signal) => attemptTwice(call, () => send(signal), call.credentials));
}

async function attemptTwice<T>(call: AwsCall, send: () => Promise<T>, credentials: CredentialStore): Promise<T> {
  const used = await credentials.get();
  const first = await attempt(call, send);
  if (!first.failed) return first.answer;
  if (!(first.failed instanceof CredentialsRefused)) throw first.failed;
  if (!first.clockCorrected) {
    credentials.discard(used);
    const anew = await credentials.get();
    if (anew.accessKeyId === used.accessKeyId && anew.sessionToken === used.sessionToken) throw first.failed;
  }
  const second = await attempt(call, send);
  if (second.failed) throw second.failed;
  return second.answer;
}

type Attempt<T> = { failed: null; answer: T } | { failed: BackendError; clockCorrected: boolean };

async function attempt<T>(call: AwsCall, send: () => Promise<T>): Promise<Attempt<T>> {
  let clockCorrected = false;
  const errorOf = (error: unknown) => {
    const { $metadata } = error as { $metadata?: { clockSkewCorrected?: boolean } };
    clockCorrected = $metadata?.clockSkewCorrected === true;
    return fromAwsException(error, call.subject, call.target);
  };
  try {
    return { failed: null, answer: await countedCall(call, send, errorOf) };
  } catch (error) {
    return { failed: error as BackendError, clockCorrected };
  }
}
