import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type CommandResultMessage,
  type ControlPlaneMessage,
  type DataPlaneMessage,
  decodeControlPlaneMessage,
  encodeMessage,
  type HelloMessage,
  vaultsOf,
} from '@vaultplane/model/protocol/protocol.ts';
import {
  applyDelta,
  type ConfigPosition,
  checkSnapshot,
  makeSnapshot,
  type Snapshot,
} from '@vaultplane/model/snapshots/snapshot.ts';
import { WebSocket } from 'ws';
import type { ControlPlane } from '../../control-plane.ts';

export interface TestDataPlaneOptions {
  controlPlane: Pick<ControlPlane, 'clusterUrl' | 'certificateFile' | 'keyFile'>;
  hello?: Partial<HelloMessage>;
  /** Its certificate and key, PEM; undefined: the control plane's own, null: none. */
  certificate?: { cert: string; key: string } | null;
  autoPong?: boolean;
  maxVersion?: 'TLSv1.2';
  url?: string;
}

/** The far end of a cluster link, as plain as can be: it applies what it is sent, and answers only when told to. */
export class TestDataPlane {
  readonly id: string;
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly messages: ControlPlaneMessage[] = [];
  /** What it answers commands with; undefined: nothing. */
  outcome: Omit<CommandResultMessage, 'type' | 'id'> | undefined;
  snapshot: Snapshot | undefined;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  private constructor(socket: WebSocket, id: string, from: Snapshot | undefined) {
    this.socket = socket;
    this.id = id;
    this.snapshot = from;
    socket.on('message', (data) => this.#receive(data as Buffer));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#ended = true;
        this.#wake();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Connects, without a hello. @throws Error with the status and text of a refused upgrade */
  static async connect(options: TestDataPlaneOptions, from?: Snapshot): Promise<TestDataPlane> {
    const { controlPlane, certificate, autoPong = true, maxVersion, url = controlPlane.clusterUrl } = options;
    const own =
      certificate === undefined
        ? { cert: readFileSync(controlPlane.certificateFile), key: readFileSync(controlPlane.keyFile) }
        : (certificate ?? {});
    const socket = new WebSocket(url, {
      ...own,
      rejectUnauthorized: false,
      autoPong,
      ...(maxVersion && { maxVersion }),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => reject(new Error(`${response.statusCode} ${text}`)));
      });
    });
    return new TestDataPlane(socket, options.hello?.node_id ?? randomUUID(), from);
  }

  /** Connects and says hello; `from` is what it has already. */
  static async start(options: TestDataPlaneOptions, from?: Snapshot): Promise<TestDataPlane> {
    const dataPlane = await TestDataPlane.connect(options, from);
    dataPlane.send(dataPlane.hello(options.hello));
    return dataPlane;
  }

  hello(members: Partial<HelloMessage> = {}): HelloMessage {
    return {
      type: 'hello',
      protocols: [1],
      node_id: this.id,
      hostname: 'a-host',
      program_version: '0.1.0',
      config: this.snapshot ? positionOf(this.snapshot) : null,
      labels: {},
      ...members,
    };
  }

  send(message: DataPlaneMessage): void {
    this.socket.send(encodeMessage(message));
  }

  acknowledge(): void {
    this.send({ type: 'ack', ...positionOf(this.snapshot!) });
  }

  /** The types of the messages so far. */
  get types(): string[] {
    return this.messages.map(({ type }) => type);
  }

  /** Waits until `holds`, looking after each message. @throws Error when the link ends before */
  async until(holds: (dataPlane: this) => unknown): Promise<void> {
    while (!holds(this)) {
      if (this.#ended) throw new Error(`the link ended; it brought ${JSON.stringify(this.messages).slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  untilVersion(version: number): Promise<void> {
    return this.until(({ snapshot }) => snapshot?.version === version);
  }

  async stop(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  #receive(data: Buffer): void {
    const message = decodeControlPlaneMessage(data);
    this.messages.push(message);
    if (message.type === 'command' && this.outcome) {
      this.send({ type: 'command_result', id: message.id, ...this.outcome });
    }
    if (message.type === 'snapshot') this.snapshot = checkSnapshot({ ...message, vaults: vaultsOf(message.vaults) });
    if (message.type === 'delta') {
      this.snapshot = applyDelta(this.snapshot!, { ...message, upserts: vaultsOf(message.upserts) });
    }
    this.#wake();
  }

  #wake(): void {
    // Whoever waits on is to be woken next time, and not to be forgotten by another that was woken beside it.
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }
}

export function positionOf({ timeline, version, hash }: Snapshot): ConfigPosition {
  return { timeline, version, hash };
}

/** A snapshot that nobody has made: of this timeline and version, and empty. */
export function inventedSnapshot(timeline: string, version: number): Snapshot {
  return makeSnapshot(timeline, version, []);
}
