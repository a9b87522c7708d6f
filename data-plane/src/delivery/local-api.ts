import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { idleErrors, retryIdleClosed } from '@vaultplane/platform/net/idle-connections.ts';
import { printAddress } from '@vaultplane/platform/net/network-address.ts';
import { http, https } from '@vaultplane/platform/node-modules.ts';
import { readPemLater } from '@vaultplane/platform/settings/pem-setting.ts';
import { readTokenFile } from '../auth/token.ts';
import { apiTokenFile, type DataPlaneSettings } from '../settings.ts';

type Method = 'GET' | 'POST' | 'DELETE';

/** Nothing answers where a data plane with these settings would. */
export class NotRunning extends Error {
  override readonly name = 'NotRunning';
}

/** The data plane that runs on this machine with the same settings, as an application calls it. */
export class LocalApi {
  readonly #where: RequestOptions & { ca?: string };
  readonly #token: string;
  readonly #isTls: boolean;
  /** Not Node.js's own, which goes through a proxy where NODE_USE_ENV_PROXY is set: the token is for this machine. */
  readonly #agent: Agent;

  constructor(where: RequestOptions & { ca?: string }, token: string) {
    this.#where = where;
    this.#token = token;
    this.#isTls = where.ca !== undefined;
    this.#agent = new (this.#isTls ? https : http).Agent({ keepAlive: true });
  }

  /** @throws NotRunning when there is no token file, so that none can have run here; StartError for one that is broken */
  static async of(settings: DataPlaneSettings): Promise<LocalApi> {
    const token = await readTokenFile(apiTokenFile(settings));
    if (token === undefined) throw new NotRunning(`there is no ${apiTokenFile(settings)}`);
    const { api_listen, api_ssl_cert, api_unix_socket } = settings;
    if (api_unix_socket !== undefined) return new LocalApi({ socketPath: api_unix_socket }, token);
    const everywhere = ['0.0.0.0', '::'].includes(api_listen.host);
    const where = { host: everywhere ? '127.0.0.1' : api_listen.host, port: api_listen.port };
    // The data plane's own certificate is what must be shown there, whatever name it is for.
    return new LocalApi(
      api_ssl_cert === undefined ? where : { ...where, ca: await readPemLater('api_ssl_cert', api_ssl_cert) },
      token,
    );
  }

  /** The answer's body, read whole. @throws NotRunning; Error with a line that says what is wrong */
  async json(method: Method, path: string, body?: unknown): Promise<unknown> {
    const response = await this.open(method, path, { body });
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    if (response.statusCode === 403) {
      throw new Error(
        'the data plane that runs here does not take the token of api_token_file; does it run with other settings?',
      );
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(
        `what listens at ${this.#name()} answered HTTP ${response.statusCode}, not as a data plane would`,
      );
    }
  }

  /** The answer, once its head is here. @throws NotRunning */
  async open(
    method: Method,
    path: string,
    options: { body?: unknown; signal?: AbortSignal } = {},
  ): Promise<IncomingMessage> {
    try {
      return await retryIdleClosed(this.#agent, () => this.#openOnce(method, path, options));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const message = `${this.#name()}: ${errorMessage(error)}`;
      throw code === 'ECONNREFUSED' || code === 'ENOENT' ? new NotRunning(message) : new Error(message);
    }
  }

  /** @throws Error of the connection */
  #openOnce(method: Method, path: string, options: { body?: unknown; signal?: AbortSignal }): Promise<IncomingMessage> {
    const text = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = this.#request({
      ...this.#where,
      agent: this.#agent,
      method,
      path,
      ...(options.signal && { signal: options.signal }),
      headers: {
        'x-vault-token': this.#token,
        ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    });
    const errorOf = idleErrors(request);
    return new Promise((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', (error) => reject(errorOf(error)));
      request.end(text);
    });
  }

  #request(options: RequestOptions): ClientRequest {
    if (!this.#isTls) return http.request(options);
    return https.request({ ...options, allowPartialTrustChain: true, checkServerIdentity: () => undefined });
  }

  #name(): string {
    const { socketPath, host, port } = this.#where;
    return socketPath ?? printAddress({ host: String(host), port: Number(port) });
  }
}
