import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { readBody } from './exchange.ts';
import type { ReceivedRequest } from './signature.ts';

export type Tls = { cert: string | Buffer; key: string | Buffer };
export type Address = { host: string; port: number };

/** Largest request, bytes: a 64 KiB value needs no more even as escaped JSON. */
const MAX_BODY_BYTES = 1_048_576;

/** Answers one request, or hands it to who does. */
export type Serve = (request: IncomingMessage, response: ServerResponse, received: ReceivedRequest) => Promise<void>;

/** One port. */
export class HttpListener {
  readonly #host: string;
  readonly #port: number;
  readonly #tls: boolean;
  #address: Address | null = null;
  readonly #server: Server;
  readonly #answer: Serve;

  constructor(host: string, port: number, tls: Tls | null, answer: Serve) {
    this.#host = host;
    this.#port = port;
    this.#tls = tls !== null;
    this.#answer = answer;
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    this.#server = tls ? createTlsServer({ cert: tls.cert, key: tls.key }, serve) : createServer(serve);
    // Longer than the idle time of the SDKs' agents, or a call now and then would run into a closing connection.
    this.#server.keepAliveTimeout = 120_000;
  }

  /** Where it serves, or served before it was stopped. */
  get address(): Address {
    if (this.#address === null) throw new Error('not started yet');
    return this.#address;
  }

  get url(): string {
    const { host, port } = this.address;
    return `http${this.#tls ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** After `stop` it serves on the same port again. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#address?.port ?? this.#port, this.#host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    const { address, port } = this.#server.address() as AddressInfo;
    this.#address = { host: address, port };
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#read(request, response);
    } catch (error) {
      // A caller that went away in the middle of its request; there is nobody left to answer.
      if (request.destroyed && !request.complete) return;
      if (response.headersSent || response.destroyed) return void response.destroy();
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ __type: 'InternalServiceError', Message: `Emulator fault: ${String(error)}` }));
    }
  }

  async #read(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', ...query] = (request.url ?? '/').split('?');
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === null) {
      response.writeHead(413, { connection: 'close' }).end();
      return;
    }
    const { method = 'GET', rawHeaders } = request;
    await this.#answer(request, response, { method, path, query: query.join('?'), rawHeaders, body });
  }
}

/** Starts listeners, all of them or none. */
export async function startListeners(...listeners: ReadonlyArray<HttpListener | null>): Promise<void> {
  try {
    for (const listener of listeners) await listener?.start();
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener?.stop()));
    throw error;
  }
}
