import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { idleErrors, retryIdleClosed } from '@vaultplane/platform/net/idle-connections.ts';
import { afterAlive, systemClock } from '@vaultplane/platform/time/clock.ts';
import { ClientError, type ClientErrorCode, DataPlaneUnreachable } from './client-error.ts';

export interface TransportOptions {
  /** Where the data plane's API is: a URL, or a Unix socket. */
  where: { url: URL } | { socketPath: string };
  /** PEM: the only certificate, or authority, that an https data plane may show, whatever name it is for. */
  ca?: string | undefined;
  /** The token that calls carry. It is asked for anew when the data plane does not take it. @throws ClientError */
  readToken: () => Promise<string>;
}

export interface CallOptions {
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Milliseconds for the head of the answer to come. */
  timeoutMs: number;
  /** Whether the open connection keeps the process alive. */
  keepsAlive: boolean;
}

/** The codes of Node.js's errors that mean: nobody listens there. */
const ABSENT: readonly unknown[] = ['ECONNREFUSED', 'ENOENT'];

/** Calls to a data plane, with the token, over connections that are kept. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #agent: HttpAgent;
  readonly #where: RequestOptions & { allowPartialTrustChain?: boolean };
  readonly #isTls: boolean;
  #token: string | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { where, ca } = options;
    this.#isTls = 'url' in where && where.url.protocol === 'https:';
    this.#agent = this.#isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    if ('socketPath' in where) this.#where = { socketPath: where.socketPath };
    else {
      const { hostname, port } = where.url;
      this.#where = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (this.#isTls ? 443 : 80)) };
    }
    if (ca !== undefined) {
      Object.assign(this.#where, { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined });
    }
  }

  /** The address, for messages. */
  get name(): string {
    const { where } = this.#options;
    return 'socketPath' in where ? where.socketPath : where.url.host;
  }

  /**
   * The answer's JSON.
   *
   * @throws ClientError with what the data plane said; DataPlaneUnreachable
   */
  async json(method: 'GET' | 'POST', path: string, options: CallOptions): Promise<unknown> {
    const response = await this.open(method, path, options);
    return this.#read(response, options);
  }

  /** An answer of status 200, once its head is here. @throws ClientError; DataPlaneUnreachable */
  async open(method: 'GET' | 'POST', path: string, options: CallOptions): Promise<IncomingMessage> {
    let response = await this.#send(method, path, options, await this.#readToken());
    if (response.statusCode === 403) {
      // The token may have been replaced since it was read.
      const before = this.#token;
      this.#token = undefined;
      const now = await this.#readToken().catch(() => before);
      if (now !== undefined && now !== before) {
        response.resume();
        response = await this.#send(method, path, options, now);
      }
    }
    if (response.statusCode === 200) return response;
    throw this.#refusal(response, await this.#read(response, options));
  }

  close(): void {
    this.#agent.destroy();
  }

  async #readToken(): Promise<string> {
    this.#token ??= await this.#options.readToken();
    return this.#token;
  }

  async #send(method: string, path: string, options: CallOptions, token: string): Promise<IncomingMessage> {
    try {
      return await retryIdleClosed(this.#agent, () => this.#sendOnce(method, path, options, token));
    } catch (error) {
      throw this.#failure(error, options.signal);
    }
  }

  /** @throws Error of the connection */
  #sendOnce(method: string, path: string, options: CallOptions, token: string): Promise<IncomingMessage> {
    const { body, signal, timeoutMs, keepsAlive } = options;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = (this.#isTls ? httpsRequest : httpRequest)({
      ...this.#where,
      agent: this.#agent,
      method,
      path,
      ...(signal && { signal }),
      headers: {
        'x-vault-token': token,
        ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    });
    const errorOf = idleErrors(request);
    request.on('socket', (socket) => (keepsAlive ? socket.ref() : socket.unref()));
    return new Promise((resolve, reject) => {
      const after = keepsAlive ? afterAlive : systemClock.after;
      const cancel = after(timeoutMs, () => request.destroy(new Error(`gave no answer within ${timeoutMs} ms`)));
      request.once('response', (response) => {
        cancel();
        resolve(response);
      });
      // Not once: a connection that breaks later ends the answer too, and must not end the process.
      request.on('error', (error) => {
        cancel();
        reject(errorOf(error));
      });
      request.end(text);
    });
  }

  async #read(response: IncomingMessage, { signal, timeoutMs }: CallOptions): Promise<unknown> {
    const cancel = afterAlive(timeoutMs, () => response.destroy(new Error('was not read in time')));
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
    } catch (error) {
      throw this.#failure(error, signal);
    } finally {
      cancel();
    }
    try {
      return JSON.parse(text);
    } catch {
      // The text may be anybody's, and is not repeated.
      throw new ClientError(
        'internal',
        `what listens at ${this.name} answered HTTP ${response.statusCode}, not as a data plane would`,
      );
    }
  }

  #refusal(response: IncomingMessage, body: unknown): ClientError {
    const error = (body as { error?: { code?: unknown; message?: unknown; reference?: unknown } } | null)?.error;
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') {
      return new ClientError(
        'internal',
        `what listens at ${this.name} answered HTTP ${response.statusCode}, not as a data plane would`,
      );
    }
    const message =
      error.code === 'bad_token'
        ? `the data plane at ${this.name} does not take this token; is it that of its api_token_file?`
        : error.message;
    const seconds = Number(response.headers['retry-after']);
    return new ClientError(error.code as ClientErrorCode, message, {
      ...(typeof error.reference === 'string' && { reference: error.reference }),
      ...(seconds > 0 && { retryAfterSeconds: seconds }),
    });
  }

  #failure(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return signal.reason;
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = ABSENT.includes(code);
    return new DataPlaneUnreachable(
      absent
        ? `no data plane listens at ${this.name} (${code})`
        : `the data plane at ${this.name} could not be reached: ${message}`,
      { absent, cause: error },
    );
  }
}
