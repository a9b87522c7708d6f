import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of somebody who wants what is not theirs: it notes every connection and all that it is sent. */
export class Thief {
  /** Connections so far, whatever came over them. */
  connections = 0;
  /** Requests, with their headers and bodies. */
  readonly received: string[] = [];
  readonly #server: Server;

  private constructor(answer: (request: IncomingMessage) => { status: number; headers?: Record<string, string> }) {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      request.once('end', () => {
        this.received.push(`${request.method} ${request.url}\n${request.rawHeaders.join('\n')}\n${body}`);
        const { status, headers = {} } = answer(request);
        response.writeHead(status, headers).end('{}');
      });
    });
    this.#server.on('connection', () => {
      this.connections++;
    });
  }

  /** @param answer what whoever asks is told; nothing is there, where not given */
  static async start(
    answer: (request: IncomingMessage) => { status: number; headers?: Record<string, string> } = () => ({
      status: 404,
    }),
  ): Promise<Thief> {
    const thief = new Thief(answer);
    thief.#server.listen(0, '127.0.0.1');
    await once(thief.#server, 'listening');
    return thief;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** HOST:PORT by which it is reached and which is no loopback address by its text. */
  get address(): string {
    return `0.0.0.0:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
