import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  CLUSTER_PATH,
  type ConfigDefaults,
  type ControlPlaneMessage,
  type DataPlaneMessage,
  decodeDataPlaneMessage,
  encodeMessage,
  snapshotMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import type { Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { Address } from '@vaultplane/platform/net/network-address.ts';
import type { TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { type WebSocket, WebSocketServer } from 'ws';

export interface TestControlPlaneOptions {
  certificate: TestCertificate;
  /** Whose certificates clients may show; the own one where not given. */
  ca?: string;
  /** What it has; null: it says nothing by itself. */
  snapshot: Snapshot | null;
  defaults?: ConfigDefaults;
  port?: number;
  maxVersion?: 'TLSv1.2';
}

/** The peer of a data plane's link, on real sockets, which says what a test wants it to say. */
export class TestControlPlane {
  snapshot: Snapshot | null;
  readonly defaults: ConfigDefaults;
  /** Every message received, in order. */
  readonly received: DataPlaneMessage[] = [];
  /** Every link opened so far. */
  readonly links: WebSocket[] = [];
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  private constructor(options: TestControlPlaneOptions) {
    this.snapshot = options.snapshot;
    this.defaults = options.defaults ?? {};
    const { cert, key } = options.certificate;
    this.#server = createServer({
      cert,
      key,
      ca: options.ca ?? cert,
      requestCert: true,
      rejectUnauthorized: true,
      ...(options.maxVersion ? { maxVersion: options.maxVersion } : { minVersion: 'TLSv1.3' }),
    });
    this.#server.on('tlsClientError', () => {});
    new WebSocketServer({ server: this.#server, path: CLUSTER_PATH }).on('connection', (link) => {
      this.links.push(link);
      link.on('error', () => {});
      link.on('message', (data: Buffer) => this.#receive(link, decodeDataPlaneMessage(data)));
      this.#wake();
    });
  }

  static async start(options: TestControlPlaneOptions): Promise<TestControlPlane> {
    const controlPlane = new TestControlPlane(options);
    await new Promise<void>((resolve) => controlPlane.#server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return controlPlane;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  get link(): WebSocket {
    return this.links.at(-1)!;
  }

  send(message: ControlPlaneMessage): void {
    this.link.send(encodeMessage(message));
  }

  welcome(protocol = 1): void {
    const { timeline, version, hash } = this.snapshot!;
    this.send({
      type: 'welcome',
      protocol,
      control_plane_id: '33333333-3333-4333-8333-333333333333',
      program_version: '0.0.0-test',
      config: { timeline, version, hash },
      defaults: this.defaults,
    });
  }

  /** Waits for what `find` finds among the messages received. */
  async until<T>(find: (received: DataPlaneMessage[]) => T | undefined): Promise<T> {
    for (;;) {
      const found = find(this.received);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Waits for the nth message of a type, from 1. */
  async message<K extends DataPlaneMessage['type']>(type: K, nth = 1): Promise<Extract<DataPlaneMessage, { type: K }>> {
    const found = await this.until((all) => all.filter((message) => message.type === type)[nth - 1]);
    return found as Extract<DataPlaneMessage, { type: K }>;
  }

  /** As a crash would: every link is gone, without a farewell. */
  dropLinks(): void {
    for (const link of this.links) link.terminate();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropLinks();
    this.#server.closeAllConnections();
    await closed;
  }

  #receive(link: WebSocket, message: DataPlaneMessage): void {
    this.received.push(message);
    if (this.snapshot && link === this.link) {
      if (message.type === 'hello') {
        this.welcome();
        if (message.config?.hash !== this.snapshot.hash) this.send(snapshotMessage(this.snapshot));
      } else if (message.type === 'nack') this.send(snapshotMessage(this.snapshot));
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
