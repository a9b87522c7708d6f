import { BackendError, type UpstreamCall, type UpstreamCounts } from '../backend.ts';
import type { CredentialStore } from './credential-store.ts';
import { CredentialsRefused, fromAwsException } from './errors.ts';

/** One call to AWS, as people and counters see it. */
export interface AwsCall {
  /** AWS's name of it, such as GetSecretValue. */
  operation: string;
  /** What is asked for, such as `secret "db"`; begins every error message. */
  subject: string;
  /** Who is asked, such as `AWS Secrets Manager in us-east-1`. */
  target: string;
  /** Whose answers may be refused, and then be had anew. */
  credentials: CredentialStore;
  /** Milliseconds for the whole call, credentials and a second try included. */
  deadline: number;
  signal: AbortSignal;
  counts?: UpstreamCounts;
}

/**
 * Makes a call under a deadline. Where AWS refuses the credentials, they are had anew at once, and if they then are
 * others the call is made once more; so it is where the SDK has just learned how wrong this machine's clock is.
 *
 * @throws BackendError
 */
export async function callAws<T>(call: AwsCall, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { credentials, signal } = call;
  const cut = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  const stop = (error: BackendError) => {
    reject(error);
    cut.abort();
  };
  const timer = setTimeout(
    () =>
      stop(new BackendError('unavailable', `${call.subject}: ${call.target} did not answer in ${call.deadline} ms`)),
    call.deadline,
  );
  const onAbort = () => stop(new BackendError('unavailable', `${call.subject}: the call was cancelled`));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([attemptTwice(call, () => send(cut.signal), credentials), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
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
  const { operation, subject, target, counts } = call;
  const begun = performance.now();
  const ended = (outcome: UpstreamCall['outcome']) =>
    counts?.ended?.({ operation, outcome, seconds: (performance.now() - begun) / 1000 });
  if (counts) counts.calls++;
  try {
    const answer = await send();
    ended('ok');
    return { failed: null, answer };
  } catch (error) {
    const failed = fromAwsException(error, subject, target);
    if (counts) {
      counts.errors++;
      if (failed.throttled) counts.throttled++;
    }
    ended(failed.throttled ? 'throttled' : failed.code);
    const { $metadata } = error as { $metadata?: { clockSkewCorrected?: boolean } };
    return { failed, clockCorrected: $metadata?.clockSkewCorrected === true };
  }
}
