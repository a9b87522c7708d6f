import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A small HTTP proxy that knows CONNECT only, and wants a user's credentials where it is given some. */
export class ConnectProxy {
  /** Where it was asked to connect to, HOST:PORT. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(credentials: string | undefined) {
    this.#server = createServer((_request, response) => response.writeHead(405).end());
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('connect', (request, client: Socket, head) => {
      this.asked.push(request.url!);
      const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
      if (request.headers['proxy-authorization'] !== expected) {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\n\r\n');
        return;
      }
      const [, host, port] = /^(.+):(\d+)$/.exec(request.url!)!;
      const upstream = connect(Number(port), host!, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        client.pipe(upstream).pipe(client);
      });
      this.#keep(upstream);
      upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    });
  }

  static async start(credentials?: string): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(credentials);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  url(credentials = ''): URL {
    return new URL(
      `http://${credentials && `${credentials}@`}127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
    );
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
