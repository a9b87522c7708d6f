import type { Caller } from '../backend.ts';
import type { Server } from './server.ts';
import type { TokenKeeper } from './token-keeper.ts';

/** As whom a server takes who shows the vault's token: what it is called, and its policies. @throws BackendError */
export async function callerOf(server: Server, tokens: TokenKeeper, signal: AbortSignal): Promise<Caller> {
  const { method, description } = tokens.authentication;
  const subject = 'lookup of the token';
  const path = 'auth/token/lookup-self';
  const token = await tokens.token();
  const answer = await server.ask(
    { operation: 'lookup', subject, method: 'GET', path, token, expected: [403] },
    signal,
  );
  const {
    display_name: name,
    policies,
    identity_policies: more,
  } = (answer.body?.data ?? {}) as Record<string, unknown>;
  const texts = [policies, more].flatMap((list) => (Array.isArray(list) ? list : []));
  return {
    source: `${method} (${description})`,
    arn: typeof name === 'string' && name !== '' ? name : 'somebody who may not look at their token',
    accountKind: 'policies',
    account: texts.filter((policy) => typeof policy === 'string').join(', ') || 'not known',
  };
}
