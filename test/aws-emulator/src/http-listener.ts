import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { AwsEndpoint } from './aws-endpoint.ts';
import { CONTROL_PATH, type ControlApi } from './control-api.ts';
import { readBody } from './exchange.ts';
import { MetadataEndpoint } from './metadata-endpoint.ts';
import type { ReceivedRequest } from './signature.ts';

export type Tls = { cert: string | Buffer; key: string | Buffer };
export type Address = { host: string; port: number };

/** Largest request, bytes: a 64 KiB value needs no more even as escaped JSON. */
const MAX_BODY_BYTES = 1_048_576;

/** One port, and which part answers what on it. */
export class HttpListener {
  readonly #host: string;
  readonly #port: number;
  readonly #tls: boolean;
  #address: Address | null = null;
  readonly #server: Server;
  readonly #metadata: MetadataEndpoint;
  readonly #control: ControlApi;
  readonly #aws: AwsEndpoint | null;

  constructor(
    host: string,
    port: number,
    tls: Tls | null,
    parts: { metadata: MetadataEndpoint; control: ControlApi; aws: AwsEndpoint | null },
  ) {
    this.#host = host;
    this.#port = port;
    this.#tls = tls !== null;
    this.#metadata = parts.metadata;
    this.#control = parts.control;
    this.#aws = parts.aws;
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
      await this.#route(request, response);
    } catch (error) {
      // A caller that went away in the middle of its request; there is nobody left to answer.
      if (request.destroyed && !request.complete) return;
      if (response.headersSent || response.destroyed) return void response.destroy();
      response.writeHead(500, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify({ __type: 'InternalServiceError', Message: `Emulator fault: ${String(error)}` }));
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', ...query] = (request.url ?? '/').split('?');
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === null) {
      response.writeHead(413, { connection: 'close' }).end();
      return;
    }
    const received: ReceivedRequest = {
      method: request.method ?? 'GET',
      path,
      query: query.join('?'),
      rawHeaders: request.rawHeaders,
      body,
    };
    if (path === CONTROL_PATH || path.startsWith(`${CONTROL_PATH}/`)) {
      return this.#control.handle(request, response, received);
    }
    const metadata = MetadataEndpoint.serviceOf(path);
    if (metadata && request.headers['x-amz-target'] === undefined) {
      return this.#metadata.handle(metadata, response, received);
    }
    if (this.#aws) return this.#aws.handle(request, response, received);
    response.writeHead(404).end();
  }
}
