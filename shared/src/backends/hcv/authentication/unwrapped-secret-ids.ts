import { inspect } from 'node:util';
import { garbage } from '../errors.ts';
import type { Server } from '../server.ts';
import { refusalOf } from './authentication.ts';

/**
 * What was in wrapping tokens. A server unwraps a token once, so that what was in it is kept for every later login, in
 * memory alone: a program that starts again needs a new one.
 */
export class UnwrappedSecretIds {
  readonly #byToken = new Map<string, Promise<string>>();

  /** @throws BackendError, with credentialsRefused where the token has ended or was unwrapped by somebody else */
  of(wrappingToken: string, server: Server, signal: AbortSignal): Promise<string> {
    let secretId = this.#byToken.get(wrappingToken);
    if (!secretId) {
      secretId = unwrap(wrappingToken, server, signal);
      this.#byToken.set(wrappingToken, secretId);
      secretId.catch(() => this.#byToken.delete(wrappingToken));
    }
    return secretId;
  }

  [inspect.custom](): string {
    return 'UnwrappedSecretIds(hidden)';
  }
}

async function unwrap(token: string, server: Server, signal: AbortSignal): Promise<string> {
  const subject = 'unwrapping of the secret_id';
  const call = { operation: 'unwrap', subject, method: 'POST', path: 'sys/wrapping/unwrap', token } as const;
  const answer = await server.ask({ ...call, expected: [400, 403] }, signal);
  if (answer.status > 299) throw refusalOf(answer, subject, server.target);
  const { secret_id: secretId } = (answer.body?.data ?? {}) as Record<string, unknown>;
  if (typeof secretId !== 'string') throw garbage(subject, server.target);
  return secretId;
}
