import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { afterAlive } from '@vaultplane/platform/time/clock.ts';

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
export function withinDeadline<T>(call: BoundedCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { subject, target, deadline, signal } = call;
  return new Promise((resolve, reject) => {
    const cut = new AbortController();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', onAbort);
    };
    const stop = (error: BackendError) => {
      end();
      reject(error);
      cut.abort();
    };
    const onAbort = () => stop(new BackendError('unavailable', `${subject}: the call was cancelled`));
    const cancel = afterAlive(deadline, () =>
      stop(new BackendError('unavailable', `${subject}: ${target} did not answer in ${deadline} ms`)),
    );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Promise.try is not in Node.js 22.
    new Promise<T>((answer) => answer(work(cut.signal))).then(resolve, reject).finally(end);
  });
}
