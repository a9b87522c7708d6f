import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server on which from some moment on nothing comes through, while every connection stays open. */
export class SilencedProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #silent = false;
  /** Bytes that were sent to the server and never came there. */
  swallowed = 0;

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((near) => {
      const far = connect(target.port, target.host);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on('data', (bytes: Buffer) => {
          if (!this.#silent) to.write(bytes);
          else if (from === near) this.swallowed += bytes.length;
        });
      }
    });
  }

  static async start(target: { host: string; port: number }): Promise<SilencedProxy> {
    const proxy = new SilencedProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  silence(): void {
    this.#silent = true;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
