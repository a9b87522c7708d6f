import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamCall, UpstreamCounts } from '../backend.ts';

/** What counters and metrics are told of a call. */
export interface CountedCall {
  /** The vault's name of it, such as GetSecretValue. */
  operation: string;
  counts?: UpstreamCounts | undefined;
}

/**
 * Makes one call, counts it and tells how it ended.
 *
 * @param errorOf what a thrown error means
 * @throws BackendError
 */
export async function countedCall<T>(
  { operation, counts }: CountedCall,
  send: () => Promise<T>,
  errorOf: (error: unknown) => BackendError,
): Promise<T> {
  const begun = performance.now();
  const ended = (outcome: UpstreamCall['outcome']) =>
    counts?.ended?.({ operation, outcome, seconds: (performance.now() - begun) / 1000 });
  if (counts) counts.calls++;
  try {
    const answer = await send();
    ended('ok');
    return answer;
  } catch (error) {
    const failed = errorOf(error);
    if (counts) {
      counts.errors++;
      if (failed.throttled) counts.throttled++;
    }
    ended(failed.throttled ? 'throttled' : failed.code);
    throw failed;
  }
}
