import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  CLUSTER_PATH,
  decodeControlPlaneMessage,
  encodeMessage,
  MAX_CONTROL_PLANE_MESSAGE_BYTES,
  ProtocolError,
  type ReportMessage,
  type WelcomeMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type RawData, WebSocket } from 'ws';
import { explainConnectionError, peerProblem } from './cluster-connection.ts';
import { Conversation, type ConversationOptions } from './conversation.ts';
import type { LinkCredentials } from './link-credentials.ts';
import { type Inventory, ReferenceTelling } from './reference-telling.ts';

export const PING_INTERVAL_MS = 5_000;
/** A peer that was silent for so long, though pinged, is dead. */
export const SILENCE_TIMEOUT_MS = 15_000;
export const REPORT_INTERVAL_MS = 10_000;
/** How often it is looked whether there is something new to tell of references. */
export const TELL_INTERVAL_MS = 1_000;
/** With so much unsent the control plane is behind with its reading; it is told nothing more before that has gone. */
const MOST_UNSENT_BYTES = 256 * 1024;
const CLOSE_TIMEOUT_MS = 1_000;
const LONGEST_REFUSAL = 1000;
/** Source: RFC 6455 §7.4.1. */
const MESSAGE_TOO_BIG = 1009;

export interface LinkSessionOptions extends Omit<ConversationOptions, 'send'> {
  /** Connected, and checked to lead to our control plane. Ends with the session. */
  socket: TLSSocket;
  /** HOST:PORT */
  endpoint: string;
  credentials: LinkCredentials;
  report: () => Omit<ReportMessage, 'type'>;
  inventory: Inventory;
  clock: Clock;
  /** Called at every sign of life. */
  heard: () => void;
  welcomed: (welcome: WelcomeMessage) => void;
  /** A request for another certificate, where it is time for one. Never rejects. */
  renewal?: (() => Promise<Uint8Array | undefined>) | undefined;
  /** The control plane refuses this node, for a reason with a code. */
  onRefused?: ((code: string) => void) | undefined;
}

/** One WebSocket with a control plane, from the upgrade to its end. */
export class LinkSession {
  /** Settles, with the reason in words, when the session has ended for whatever reason. */
  readonly ended: Promise<string>;
  readonly #options: LinkSessionOptions;
  readonly #socket: WebSocket;
  readonly #conversation: Conversation;
  readonly #telling: ReferenceTelling;
  readonly #timers: Array<() => void>;
  #cancelSilence = () => {};
  #sentReport = '';
  #hasEnded = false;
  #settle!: (reason: string) => void;

  constructor(options: LinkSessionOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const { clock, endpoint, socket } = options;
    this.#socket = new WebSocket(`wss://${endpoint}${CLUSTER_PATH}`, {
      createConnection: (() => socket) as never,
      maxPayload: MAX_CONTROL_PLANE_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    this.#conversation = new Conversation({
      ...options,
      send: (message) => {
        if (this.#isOpen) this.#socket.send(encodeMessage(message));
      },
    });
    this.#telling = new ReferenceTelling({ inventory: options.inventory, clock });
    this.#timers = [
      every(clock, PING_INTERVAL_MS, () => this.#isOpen && this.#socket.ping()),
      every(clock, REPORT_INTERVAL_MS, () => this.report({ always: true })),
      every(clock, REPORT_INTERVAL_MS, () => this.recheck(options.credentials)),
      every(clock, TELL_INTERVAL_MS, () => this.#tell()),
      every(clock, REPORT_INTERVAL_MS, () => void this.#renew()),
    ];
    this.#listen();
  }

  /** Sends a report, if it differs from the last one or `always` says so. */
  report(options: { always?: boolean } = {}): void {
    if (!this.#isOpen || !this.#conversation.welcome) return;
    const report = this.#options.report();
    const text = JSON.stringify(report);
    if (text === this.#sentReport && !options.always) return;
    this.#sentReport = text;
    this.#conversation.report(report);
  }

  /** Ends the session where these credentials would not let it begin any more. */
  recheck(credentials: LinkCredentials): void {
    const { socket, clock } = this.#options;
    const problem = this.#isOpen ? peerProblem(socket, credentials, clock.now()) : undefined;
    if (problem !== undefined) this.abort(`the control plane's certificate is not accepted any more: ${problem}`);
  }

  #tell(): void {
    if (!this.#isOpen || !this.#conversation.acceptsReferences) return;
    if (this.#socket.bufferedAmount > MOST_UNSENT_BYTES) return;
    const message = this.#telling.next();
    if (message) this.#conversation.tell(message);
  }

  async #renew(): Promise<void> {
    if (!this.#isOpen || !this.#conversation.acceptsRenewals) return;
    const csr = await this.#options.renewal?.();
    if (csr && this.#isOpen) this.#conversation.renew(csr);
  }

  /** Ends the session at once. */
  abort(reason: string): void {
    this.#end(reason);
    this.#socket.terminate();
  }

  /** Ends the session with a farewell, which the other side has a moment to return. */
  close(): void {
    this.#part(1001, 'this data plane stops');
  }

  #part(code: number, why: string): void {
    this.#socket.close(code, why.slice(0, 120));
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => this.abort('stopped'));
    this.#socket.once('close', cancel);
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('open', () => {
      this.#heard();
      // Of a large message on a slow link nothing but its bytes is heard for long.
      this.#options.socket.on('data', () => this.#heard());
      this.#conversation.open();
    });
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('unexpected-response', (_request, response) => void this.#refused(response));
    socket.on('error', (error) => this.#end(explainConnectionError(error, this.#options.credentials)));
    socket.on('close', (code, reason) => {
      if (code === MESSAGE_TOO_BIG)
        this.#end('the control plane does not take a message as large as this data plane sent');
      this.#end(`the link was closed (${code}${reason.length > 0 ? `, ${reason}` : ''})`);
    });
  }

  /** What a control plane has against this data plane it says in the answer to the upgrade. */
  async #refused(response: IncomingMessage): Promise<void> {
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        text += chunk;
        if (text.length > LONGEST_REFUSAL) break;
      }
    } catch {}
    const reason = text
      .slice(0, LONGEST_REFUSAL)
      .replaceAll(/\p{Cc}+/gu, ' ')
      .trim();
    const code = response.headers['vaultplane-refusal'];
    if (typeof code === 'string') this.#options.onRefused?.(code);
    if (response.statusCode === 403) this.abort(`the control plane refuses this data plane: ${reason}`);
    else this.abort(`it answered HTTP ${response.statusCode} instead of opening the cluster link`);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#hasEnded) return;
    const greeted = this.#conversation.welcome !== undefined;
    try {
      if (!isBinary) throw new ProtocolError('a message is text');
      this.#conversation.receive(decodeControlPlaneMessage(data as Buffer));
    } catch (error) {
      this.#end(errorMessage(error));
      this.#part(error instanceof ProtocolError ? 1002 : 1000, error instanceof ProtocolError ? error.message : '');
      return;
    }
    if (greeted || !this.#conversation.welcome) return;
    this.#options.welcomed(this.#conversation.welcome);
    this.report({ always: true });
    void this.#renew();
  }

  #heard(): void {
    this.#options.heard();
    this.#cancelSilence();
    this.#cancelSilence = this.#options.clock.after(SILENCE_TIMEOUT_MS, () => {
      this.abort('the control plane has fallen silent');
    });
  }

  #end(reason: string): void {
    this.#hasEnded = true;
    for (const cancel of this.#timers) cancel();
    this.#cancelSilence();
    this.#settle(reason);
  }
}

/** Runs `task` every `intervalMs` until the returned function is called. */
function every(clock: Clock, intervalMs: number, task: () => unknown): () => void {
  let cancel = () => {};
  const arm = () => {
    cancel = clock.after(intervalMs, () => {
      arm();
      task();
    });
  };
  arm();
  return () => cancel();
}
