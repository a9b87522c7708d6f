import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { parseAddress } from '@vaultplane/platform/net/network-address.ts';

interface Pair {
  near: Socket;
  far: Socket;
}

/** A TCP proxy on the way from a data plane to its control plane that can be slow, or let one end go unnoticed. */
export class LinkProxy {
  /** Each way, milliseconds. */
  delayMs = 0;
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  #accepted = 0;

  private constructor(target: string) {
    this.#target = parseAddress(target)!;
    this.#server = createServer((near) => this.#accept(near));
  }

  static async start(target: string): Promise<LinkProxy> {
    const proxy = new LinkProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** HOST:PORT */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The far ends of all connections go, and the near ends are told nothing: they stay open, and silent. */
  leaveHalfOpen(): void {
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) for (const event of ['data', 'end', 'close']) socket.removeAllListeners(event);
      near.resume();
      far.destroy();
    }
  }

  /** Both ends of all connections go. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #accept(near: Socket): void {
    this.#accepted++;
    const far = connect(this.#target);
    const pair = { near, far };
    this.#pairs.add(pair);
    near.setNoDelay(true);
    far.setNoDelay(true);
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: Socket, to: Socket): void {
    const later = (what: () => void) => (this.delayMs > 0 ? setTimeout(what, this.delayMs) : what());
    from.on('error', () => {});
    // Timers of one length fire in the order in which they were set; the drills change it while nothing is under way.
    from.on('data', (bytes) => later(() => to.writable && to.write(bytes)));
    from.on('end', () => later(() => to.end()));
    from.on('close', () => later(() => to.destroy()));
  }
}
