import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { shownName, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { type Authentication, type Login, logInAt } from './authentication.ts';
import { credentialInFile, OPAQUE } from './credential-file.ts';
import type { UnwrappedSecretIds } from './unwrapped-secret-ids.ts';

/** A role_id and a secret_id, the latter wrapped or not. */
export class AppRoleAuthentication implements Authentication {
  readonly method = 'approle';
  readonly canLogInAnew = true;
  readonly description: string;
  readonly #config: HcvConfig;
  readonly #server: Server;
  readonly #unwrapped: UnwrappedSecretIds;

  constructor(config: HcvConfig, server: Server, unwrapped: UnwrappedSecretIds) {
    this.#config = config;
    this.#server = server;
    this.#unwrapped = unwrapped;
    const file = config.text('approle_secret_id_file');
    const from = file === undefined ? 'of its configuration' : `in ${shownPath(file)}`;
    const wrapped = config.isOn('approle_response_wrapping') ? 'wrapped ' : '';
    this.description = `role_id ${shownName(config.needed('approle_role_id'))}, by the ${wrapped}secret_id ${from}`;
  }

  async credential(): Promise<string> {
    const file = this.#config.text('approle_secret_id_file');
    if (file !== undefined) return credentialInFile('approle_secret_id_file', file, OPAQUE);
    const secretId = this.#config.text('approle_secret_id');
    if (secretId !== undefined) return secretId;
    throw new BackendError(
      'unavailable',
      "the vault's auth_method is approle, and it has no approle_secret_id and no approle_secret_id_file",
    );
  }

  async logIn(given: string, signal: AbortSignal): Promise<Login> {
    const isWrapped = this.#config.isOn('approle_response_wrapping');
    const mount = this.#config.path('approle_auth_path');
    const secretId = isWrapped ? await this.#unwrapped.of(given, mount, this.#server, signal) : given;
    const body = { role_id: this.#config.needed('approle_role_id'), secret_id: secretId };
    return logInAt(this.#server, this.method, mount, body, signal);
  }
}
