import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a proxy does with the requests that it minds, in place of passing them on. */
export type Unruliness = { kind: 'silent' } | { kind: 'answer'; status: number; body: string };

/** A reverse proxy before a real HTTP server, which can be gone, say nothing, or answer by itself. */
export class UnrulyProxy {
  /** For requests that are minded; null: all are passed on. */
  unruliness: Unruliness | null = null;
  /** Minded requests that have come. */
  minded = 0;
  readonly #target: number;
  readonly #minds: (path: string) => boolean;
  #server: Server | null = null;
  #port = 0;
  #arrivals: Array<() => void> = [];

  /**
   * @param target the server's port on 127.0.0.1
   * @param minds whether a path is one that it may misbehave for
   */
  constructor(target: number, minds: (path: string) => boolean) {
    this.#target = target;
    this.#minds = minds;
  }

  get port(): number {
    return this.#port;
  }

  /** Takes connections: at any port the first time, then at that one again. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => this.#handle(request, response));
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Refuses connections, and ends those that there are. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** The next minded request has come. */
  arrived(): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (this.#minds(request.url ?? '')) {
      this.minded++;
      for (const resolve of this.#arrivals.splice(0)) resolve();
      if (this.unruliness?.kind === 'silent') return;
      if (this.unruliness?.kind === 'answer') {
        response.writeHead(this.unruliness.status, { 'content-type': 'application/json' }).end(this.unruliness.body);
        return;
      }
    }
    const { method, url, headers } = request;
    const onward = httpRequest({ method, path: url, headers, host: '127.0.0.1', port: this.#target }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    request.pipe(onward);
  }
}
