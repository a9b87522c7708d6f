import { inspect } from 'node:util';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { credentialsRefused, garbage } from '../errors.ts';
import type { Server, ServerCall } from '../server.ts';
import { refusalOf } from './authentication.ts';

/**
 * What was in wrapping tokens. A server unwraps a token once, so that what was in it is kept for every later login, in
 * memory alone: a program that starts again needs a new one.
 */
export class UnwrappedSecretIds {
  readonly #byToken = new Map<string, Promise<string>>();

  /**
   * @param mount of the approle that the secret_id is for
   * @throws BackendError, with credentialsRefused where the token has ended, was unwrapped before or wraps something else
   */
  of(wrappingToken: string, mount: string, server: Server, signal: AbortSignal): Promise<string> {
    // A vault of another server does not get what was had from this one.
    const key = JSON.stringify([server.identity, mount, wrappingToken]);
    let secretId = this.#byToken.get(key);
    if (!secretId) {
      secretId = unwrap(wrappingToken, mount, server, signal);
      this.#byToken.set(key, secretId);
      secretId.catch(() => this.#byToken.delete(key));
    }
    return secretId;
  }

  [inspect.custom](): string {
    return 'UnwrappedSecretIds(hidden)';
  }
}

async function unwrap(token: string, mount: string, server: Server, signal: AbortSignal): Promise<string> {
  const subject = 'unwrapping of the secret_id';
  const ask = async (operation: string, path: string, call: Pick<ServerCall, 'token' | 'body'>) => {
    const answer = await server.ask(
      { operation, subject, method: 'POST', path, ...call, expected: [400, 403] },
      signal,
    );
    if (answer.status > 299) throw refusalOf(answer, subject, server.target);
    return (answer.body?.data ?? {}) as Record<string, unknown>;
  };
  // Whoever has unwrapped it on its way may have wrapped what was in it again, which is not to go unnoticed.
  const { creation_path: made } = await ask('lookup', 'sys/wrapping/lookup', { body: { token } });
  if (typeof made !== 'string' || !isOfRole(made, mount)) {
    throw credentialsRefused(
      `${subject}: the wrapping token was not made for a secret_id of auth/${shownName(mount)}: somebody else may have seen what was in it`,
    );
  }
  const { secret_id: secretId } = await ask('unwrap', 'sys/wrapping/unwrap', { token });
  if (typeof secretId !== 'string') throw garbage(subject, server.target);
  return secretId;
}

/** A path that gives secret_ids of a role; that of a namespace may begin with the namespace. */
function isOfRole(path: string, mount: string): boolean {
  const [, role] = `/${path}`.split(`/auth/${mount}/role/`);
  return role !== undefined && /^[^/]+\/(custom-)?secret-id$/.test(role);
}
