import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { jsonOf } from '@vaultplane/platform/text/json-object.ts';
import { type CountedCall, countedCall } from '../http/counted-call.ts';
import { type BoundedCall, withinDeadline } from '../http/deadline.ts';
import type { HttpAnswer } from '../http/http-exchange.ts';
import type { GoogleConnections } from './connections.ts';
import type { GoogleCredentials } from './credential-sources.ts';
import { fromConnection, fromGoogleAnswer } from './errors.ts';
import type { Tokens } from './tokens.ts';

/** One call of Secret Manager, as people and counters see it. */
export interface GoogleCall extends BoundedCall, CountedCall {
  connections: GoogleConnections;
  guard: UpstreamGuard;
  /** Whose answers may be refused, and then be had anew. */
  tokens: Tokens;
  /** What is asked, by whom. @throws BackendError */
  urlFor(credentials: GoogleCredentials): URL;
  /** Bytes of the answer, where it may be larger than one about a single secret. */
  maxBytes?: number;
}

/**
 * Asks under a deadline. Where Google refuses the token, another is had at once and the call is made once more.
 *
 * @param read makes the answer's JSON what is wanted, or throws BackendError
 * @throws BackendError
 */
export async function callGoogle<T>(call: GoogleCall, read: (json: Record<string, unknown>) => T): Promise<T> {
  return withinDeadline(call, async (signal) => {
    const used = await call.tokens.get();
    try {
      return await attempt(call, used, read, signal);
    } catch (error) {
      if (!(error instanceof BackendError && error.credentialsRefused)) throw error;
      call.tokens.discard(used);
      const anew = await call.tokens.get();
      if (anew.token === used.token) throw error;
      return attempt(call, anew, read, signal);
    }
  });
}

async function attempt<T>(
  call: GoogleCall,
  credentials: GoogleCredentials,
  read: (json: Record<string, unknown>) => T,
  signal: AbortSignal,
): Promise<T> {
  const { subject, target, connections, guard } = call;
  const url = call.urlFor(credentials);
  const send = async (): Promise<T> => {
    const { token, quotaProject } = credentials;
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(quotaProject !== null && { 'x-goog-user-project': quotaProject }),
    };
    const { maxBytes } = call;
    const answer: HttpAnswer = await connections.send({ method: 'GET', url, headers }, guard, signal, { maxBytes });
    if (answer.status !== 200) throw fromGoogleAnswer(answer, subject, target);
    const json = jsonOf(answer.body);
    if (!json) {
      throw new BackendError(
        'unavailable',
        `${subject}: ${target} answered with something that is not Google's protocol`,
      );
    }
    return read(json);
  };
  return countedCall(call, send, (error) => fromConnection(error, subject, target));
}
