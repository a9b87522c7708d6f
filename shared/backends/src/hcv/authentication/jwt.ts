import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { shownName, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { type Authentication, type Login, logInAt } from './authentication.ts';
import { credentialInFile, JWT } from './credential-file.ts';

/** A JSON Web Token that somebody else signs, such as the platform that the data plane runs on. */
export class JwtAuthentication implements Authentication {
  readonly method = 'jwt';
  readonly canLogInAnew = true;
  readonly description: string;
  readonly #config: HcvConfig;
  readonly #server: Server;

  constructor(config: HcvConfig, server: Server) {
    this.#config = config;
    this.#server = server;
    const role = config.text('jwt_role');
    const file = config.text('jwt_token_file');
    const by = file === undefined ? 'jwt_token of its configuration' : `the token in ${shownPath(file)}`;
    this.description = `${role === undefined ? 'the default role' : `role ${shownName(role)}`}, by ${by}`;
  }

  async credential(): Promise<string> {
    const file = this.#config.text('jwt_token_file');
    if (file !== undefined) return credentialInFile('jwt_token_file', file, JWT);
    const jwt = this.#config.text('jwt_token');
    if (jwt !== undefined) return jwt;
    throw new BackendError(
      'unavailable',
      "the vault's auth_method is jwt, and it has no jwt_token_file and no jwt_token",
    );
  }

  async logIn(jwt: string, signal: AbortSignal): Promise<Login> {
    const role = this.#config.text('jwt_role');
    const body = { ...(role !== undefined && { role }), jwt };
    return logInAt(this.#server, this.method, this.#config.path('jwt_auth_path'), body, signal);
  }
}
