import { shownName, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { type Authentication, type Login, logInAt } from './authentication.ts';
import { credentialInFile, JWT } from './credential-file.ts';

/** The service account of a Kubernetes pod. */
export class KubernetesAuthentication implements Authentication {
  readonly method = 'kubernetes';
  readonly canLogInAnew = true;
  readonly description: string;
  readonly #config: HcvConfig;
  readonly #server: Server;

  constructor(config: HcvConfig, server: Server) {
    this.#config = config;
    this.#server = server;
    const role = shownName(config.needed('kube_role'));
    this.description = `role ${role}, by the token in ${shownPath(config.needed('kube_api_token_file'))}`;
  }

  credential(): Promise<string> {
    return credentialInFile('kube_api_token_file', this.#config.needed('kube_api_token_file'), JWT);
  }

  async logIn(jwt: string, signal: AbortSignal): Promise<Login> {
    const body = { role: this.#config.needed('kube_role'), jwt };
    return logInAt(this.#server, this.method, this.#config.path('kube_auth_path'), body, signal);
  }
}
