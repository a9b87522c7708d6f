import type { IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';
import { ClientError, type ClientErrorCode } from './client-error.ts';
import { Secret, type SecretBody, type WatchEvent } from './secret.ts';
import type { Transport } from './transport.ts';

/** @internal */
export interface WatchConnectionOptions {
  transport: Transport;
  references: readonly string[];
  onEvent: (reference: string, event: WatchEvent) => void;
}

const HEAD_TIMEOUT_MS = 10_000;
/** The data plane sends a heartbeat every 15 seconds; a connection on which so long nothing came is dead. */
const SILENCE_MS = 40_000;
/** One secret has at most 64 KiB, which JSON may make six times as long. */
const LONGEST_EVENT_BYTES = 1024 * 1024;

/**
 * One GET /v1/watch, from its head to its end, whatever ends it. It keeps no process alive.
 *
 * @internal
 */
export class WatchConnection {
  /** References of which something was told on this connection. */
  readonly told = new Map<string, WatchEvent>();
  /** Resolves when it is over, whatever ended it. */
  readonly ended: Promise<void>;
  readonly #onEvent: WatchConnectionOptions['onEvent'];
  readonly #abort: AbortController;

  private constructor(response: IncomingMessage, onEvent: WatchConnectionOptions['onEvent'], abort: AbortController) {
    this.#onEvent = onEvent;
    this.#abort = abort;
    const silence = setTimeout(() => this.close(), SILENCE_MS).unref();
    const parser = createParser({
      onEvent: ({ event, data }) => this.#receive(event, data),
      onError: () => this.close(),
      maxBufferSize: LONGEST_EVENT_BYTES,
    });
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      silence.refresh();
      parser.feed(chunk);
    });
    response.on('error', () => {});
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        clearTimeout(silence);
        resolve();
      });
    });
  }

  /** The request's target, whose length is what bounds how many references one connection has. */
  static path(references: Iterable<string>): string {
    return `/v1/watch?${new URLSearchParams([...references].map((reference) => ['ref', reference]))}`;
  }

  /** @throws ClientError; DataPlaneUnreachable; the signal's reason */
  static async open(options: WatchConnectionOptions, signal: AbortSignal): Promise<WatchConnection> {
    const { transport, references, onEvent } = options;
    const abort = new AbortController();
    const response = await transport.open('GET', WatchConnection.path(references), {
      signal: AbortSignal.any([signal, abort.signal]),
      timeoutMs: HEAD_TIMEOUT_MS,
      keepsAlive: false,
    });
    return new WatchConnection(response, onEvent, abort);
  }

  close(): void {
    this.#abort.abort();
  }

  #receive(name: string | undefined, data: string): void {
    if (this.#abort.signal.aborted) return;
    let reference: string;
    let event: WatchEvent;
    try {
      const body = JSON.parse(data) as SecretBody & { error?: { code: ClientErrorCode; message: string } };
      reference = body.reference;
      if (name === 'value') event = new Secret(body);
      else if (name === 'error') event = new ClientError(body.error!.code, body.error!.message, { reference });
      else return;
    } catch {
      // Not what a data plane would send; on a new connection all is told anew.
      this.close();
      return;
    }
    this.told.set(reference, event);
    this.#onEvent(reference, event);
  }
}
