import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface HttpProxyOptions {
  /** USER:PASSWORD, without which nobody is served. */
  credentials?: string;
  /** Ports of this machine at which names are that no resolver knows; every other host is taken as it is. */
  names?: Readonly<Record<string, number>>;
  /** It is spoken to by TLS. */
  tls?: { cert: string; key: string };
}

/** A small HTTP proxy: CONNECT, and requests in absolute form (RFC 9112, section 3.2.2). */
export class HttpProxy implements AsyncDisposable {
  /** Where it was asked to go: HOST:PORT for CONNECT, `METHOD URL` otherwise. */
  readonly asked: string[] = [];
  readonly #options: HttpProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: HttpProxyOptions) {
    this.#options = options;
    this.#server = options.tls ? createTlsServer(options.tls) : createServer();
    this.#server.on('request', (request, response) => this.#forward(request, response));
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('connect', (request, client: Socket, head) => {
      this.asked.push(request.url!);
      if (!this.#isAllowed(request)) {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\n\r\n');
        return;
      }
      const [, host, port] = /^(.+):(\d+)$/.exec(request.url!)!;
      const upstream = connect(...this.#addressOf(host!, Number(port)), () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        client.pipe(upstream).pipe(client);
      });
      this.#keep(upstream);
      upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    });
  }

  static async start(options: HttpProxyOptions = {}): Promise<HttpProxy> {
    const proxy = new HttpProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  url(credentials = ''): URL {
    const scheme = this.#options.tls ? 'https' : 'http';
    const { port } = this.#server.address() as AddressInfo;
    return new URL(`${scheme}://${credentials && `${credentials}@`}127.0.0.1:${port}`);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #isAllowed({ headers }: IncomingMessage): boolean {
    const { credentials } = this.#options;
    const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    return headers['proxy-authorization'] === expected;
  }

  #addressOf(host: string, port: number): [port: number, host: string] {
    const local = this.#options.names?.[host];
    return local === undefined ? [port, host] : [local, '127.0.0.1'];
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${request.method} ${request.url}`);
    if (!this.#isAllowed(request)) return void response.writeHead(407).end();
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const { hostname, port, pathname, search } = new URL(request.url!);
    const [at, host] = this.#addressOf(hostname, Number(port) || 80);
    const onward = httpRequest(
      { method: request.method, host, port: at, path: pathname + search, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.once('error', () => response.writeHead(502).end());
    request.pipe(onward);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
