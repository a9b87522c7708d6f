import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { type Authentication, Login } from './authentication.ts';

/** A token that is there already, in the vault's configuration. */
export class TokenAuthentication implements Authentication {
  readonly method = 'token';
  readonly description = 'the token of its configuration';
  readonly canLogInAnew = false;
  readonly #config: HcvConfig;
  readonly #server: Server;

  constructor(config: HcvConfig, server: Server) {
    this.#config = config;
    this.#server = server;
  }

  async credential(): Promise<string> {
    return this.#config.needed('token');
  }

  /** Asks how long it lives. A token that may not even be looked up may still read. */
  async logIn(token: string, signal: AbortSignal): Promise<Login> {
    const subject = 'lookup of the token';
    const call = { operation: 'lookup', subject, method: 'GET', path: 'auth/token/lookup-self', token } as const;
    const answer = await this.#server.ask({ ...call, expected: [403] }, signal);
    const { ttl, renewable } = (answer.body?.data ?? {}) as Record<string, unknown>;
    return new Login(token, typeof ttl === 'number' && ttl > 0 ? ttl : 0, renewable === true);
  }
}
