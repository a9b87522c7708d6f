import { BackendError } from './backend.ts';

/** What is under a deadline, for errors, and what may end it before. */
export interface BoundedCall {
  /** What is asked for, such as `secret "db"`; begins every error message. */
  subject: string;
  /** Who is asked, such as `AWS Secrets Manager in us-east-1`. */
  target: string;
  /** Milliseconds for the whole call, credentials and a second try included. */
  deadline: number;
  signal: AbortSignal;
}

/**
 * Does what ends by itself, by its deadline, or by its signal, whichever is first.
 *
 * @param work is given a signal of its own, which tells it of either end
 * @throws BackendError unavailable at the deadline and where it is cancelled; what `work` throws
 */
export async function withinDeadline<T>(call: BoundedCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { subject, target, deadline, signal } = call;
  const cut = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  const stop = (error: BackendError) => {
    reject(error);
    cut.abort();
  };
  const timer = setTimeout(
    () => stop(new BackendError('unavailable', `${subject}: ${target} did not answer in ${deadline} ms`)),
    deadline,
  );
  const onAbort = () => stop(new BackendError('unavailable', `${subject}: the call was cancelled`));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(cut.signal), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
