import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallLog, LoggedCall } from './call-log.ts';
import type { OrderBook } from './order-book.ts';

export type Answer = {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
  /** For the call log; null for success. */
  errorCode: string | null;
};

/** The errors of one cloud. */
export type ErrorForm<C, E extends Error> = {
  /** An ordered error. */
  make(code: string, message: string, status: number): E;
  /** What a throttled call gets. */
  throttled(call: C): E;
  isOne(error: unknown): error is E;
};

const GARBAGE = '<html><head><title>502</title></head><body>\u0000\ufffd not the protocol you are looking for {"';

/** Brings calls to their end, by the orders in force or by the service's own answer. */
export class Exchange<C extends LoggedCall, E extends Error> {
  readonly #orders: OrderBook<C, object>;
  readonly #calls: CallLog<C, object>;
  readonly #errors: ErrorForm<C, E>;
  readonly #clock: () => number;

  constructor(
    parts: { orders: OrderBook<C, object>; calls: CallLog<C, object>; errors: ErrorForm<C, E> },
    clock: () => number,
  ) {
    this.#orders = parts.orders;
    this.#calls = parts.calls;
    this.#errors = parts.errors;
    this.#clock = clock;
  }

  /**
   * Resolves when the answer is out or the connection gone. `answer` may throw an error of the cloud's, which `refuse`, how the service says no, then words.
   * An order that errs, throttles or cuts without `afterBytes` acts before `answer`, so nothing takes effect.
   */
  async carryOut(call: C, response: ServerResponse, refuse: (error: E) => Answer, answer: () => Answer): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      await this.#perform(call, response, refuse, answer, gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    } finally {
      this.#calls.end(call);
    }
  }

  async #perform(
    call: C,
    response: ServerResponse,
    refuse: (error: E) => Answer,
    answer: () => Answer,
    gone: AbortSignal,
  ): Promise<void> {
    const produce = (): Answer => {
      try {
        return answer();
      } catch (error) {
        if (this.#errors.isOne(error)) return refuse(error);
        throw error;
      }
    };
    const taken = this.#orders.take(call);
    if (!taken) return this.#send(call, response, produce(), gone);
    const { order, released } = taken;
    call.orderId = order.id;
    const { behaviour } = order;
    switch (behaviour.kind) {
      case 'delay':
        // A released order ends the wait early; a caller that hangs up ends it for good.
        await delay(behaviour.ms, undefined, { signal: AbortSignal.any([gone, released]) }).catch(() => {});
        if (gone.aborted) return;
        return this.#send(call, response, produce(), gone);
      case 'hang':
        await aborted(AbortSignal.any([gone, released]));
        if (gone.aborted) return;
        return this.#send(call, response, produce(), gone);
      case 'error': {
        const message = behaviour.message ?? 'The emulator was ordered to answer so.';
        return this.#send(call, response, refuse(this.#errors.make(behaviour.code, message, behaviour.status)), gone);
      }
      case 'throttle':
        return this.#send(call, response, refuse(this.#errors.throttled(call)), gone);
      case 'garbage': {
        const body = behaviour.body ?? GARBAGE;
        const headers = { 'content-type': 'application/octet-stream' };
        return this.#send(call, response, { status: behaviour.status ?? 200, headers, body, errorCode: null }, gone);
      }
      case 'alter': {
        const answer = produce();
        const body = String(answer.body).replace(new RegExp(behaviour.pattern), behaviour.replacement);
        return this.#send(call, response, { ...answer, body }, gone);
      }
      case 'cut':
        if (behaviour.afterBytes === undefined) response.destroy();
        else await this.#sendPart(call, response, produce(), behaviour.afterBytes);
    }
  }

  async #send(call: C, response: ServerResponse, answer: Answer, gone: AbortSignal): Promise<void> {
    const body = this.#head(call, response, answer);
    const out = new Promise<void>((resolve) => response.end(body, () => resolve()));
    await Promise.race([out, aborted(gone)]);
  }

  /** The whole length is announced, a part is sent, and the connection closes: a truncated answer. */
  async #sendPart(call: C, response: ServerResponse, answer: Answer, bytes: number): Promise<void> {
    const body = this.#head(call, response, answer);
    const part = body.subarray(0, Math.min(bytes, body.length - 1));
    response.flushHeaders();
    if (part.length > 0) await new Promise<void>((resolve) => response.write(part, () => resolve()));
    response.socket?.destroySoon();
    if (!response.closed) await new Promise<void>((resolve) => response.once('close', resolve));
  }

  #head(call: C, response: ServerResponse, answer: Answer): Buffer {
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
    call.status = answer.status;
    call.errorCode = answer.errorCode;
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-length': body.length,
      // SDKs correct their clock by this header, so it has to be the emulator's time, not the machine's.
      date: new Date(this.#clock()).toUTCString(),
    });
    return body;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Reads a body up to `limit` bytes; null when it is longer. Rejects when the caller hangs up. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > limit) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
