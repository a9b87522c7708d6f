import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { pemOf } from '../tls-material.ts';
import { type Authentication, type Login, logInAt } from './authentication.ts';

/** The certificate of the TLS connection itself. */
export class CertAuthentication implements Authentication {
  readonly method = 'cert';
  readonly canLogInAnew = true;
  readonly description: string;
  readonly #config: HcvConfig;
  readonly #server: Server;

  constructor(config: HcvConfig, server: Server) {
    this.#config = config;
    this.#server = server;
    if (config.protocol !== 'https') {
      throw new BackendError('unavailable', "the vault's auth_method is cert, which needs protocol https");
    }
    config.needed('cert_auth_cert');
    config.needed('cert_auth_cert_key');
    const role = config.text('cert_auth_role_name');
    this.description = `${role === undefined ? 'whichever role fits' : `role ${shownName(role)}`}, by a client certificate`;
  }

  async credential(): Promise<string> {
    return pemOf(this.#config, 'cert_auth_cert')!;
  }

  /** Shows the certificate of the connection, which is made anew: the certificate may be another than before. */
  async logIn(_certificate: string, signal: AbortSignal): Promise<Login> {
    this.#server.renewConnection();
    const name = this.#config.text('cert_auth_role_name');
    const body = { ...(name !== undefined && { name }) };
    return logInAt(this.#server, this.method, this.#config.path('cert_auth_path'), body, signal);
  }
}
