import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type BackendContext, BackendError } from '../backend.ts';
import { exchange, type HttpAnswer, type HttpRequest } from '../http-exchange.ts';
import { OwnAddress } from '../own-address.ts';
import { trustedCertificates } from '../trusted-certificates.ts';
import { isAboutTrust } from './errors.ts';

/** Connections at once to one host. */
const MAX_SOCKETS = 50;
/** A value has at most 64 KiB; tokens and metadata are small. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** The kept-alive connections of all gcp vaults of one program, and whom they trust. */
export class GoogleConnections {
  readonly #context: BackendContext;
  readonly #own: OwnAddress;
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  #https: HttpsAgent | undefined;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#own = new OwnAddress(context);
  }

  /**
   * @param maxBytes of the answer
   * @throws Error of the connection, with its `code`; BackendError unavailable
   */
  async send(
    request: HttpRequest & { url: URL },
    signal: AbortSignal,
    maxBytes = MAX_ANSWER_BYTES,
  ): Promise<HttpAnswer> {
    const { hostname, protocol } = request.url;
    const secure = protocol === 'https:';
    const port = Number(request.url.port) || (secure ? 443 : 80);
    if (await this.#own.isAt(hostname, port)) {
      throw new BackendError(
        'unavailable',
        `${hostname}:${port} is this program's own api_listen, so it would ask itself; endpoint_url must lead to Google`,
      );
    }
    const limits = { connect: this.#context.deadlines.connect, answer: maxBytes };
    const agent = secure ? this.#secure() : this.#http;
    try {
      return await exchange(request, agent, limits, signal);
    } catch (error) {
      // The files that say whom to trust may be others by the next call.
      if (agent === this.#https && isAboutTrust(error)) this.#https = undefined;
      throw error;
    }
  }

  stop(): void {
    this.#http.destroy();
    this.#https?.destroy();
  }

  /** Made at the first call: whoever asks nobody reads no certificates. */
  #secure(): HttpsAgent {
    const ca = () => trustedCertificates(this.#context.trustedCertificates);
    this.#https ??= new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS, ca: ca() });
    return this.#https;
  }
}
