import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LoggedCall } from './call-log.ts';
import type { OrderBook, OrderSpec } from './order-book.ts';
import type { OrderedEmulator } from './ordered-emulator.ts';
import type { ReceivedRequest } from './signature.ts';
import { SpecError } from './spec-error.ts';

export const CONTROL_PATH = '/_emulator';

export type Reply = { status: number; json: unknown };
export type Ask = { json: unknown; query: URLSearchParams; rest: string[]; gone: AbortSignal };
/** By method and path, such as `GET orders`, or `DELETE orders/*` where more of the path follows. */
export type Routes = Record<string, (ask: Ask) => Reply | Promise<Reply>>;

export const ok = (json: unknown): Reply => ({ status: 200, json });
export const done = (found: boolean): Reply =>
  found ? { status: 204, json: null } : { status: 404, json: { error: 'there is no such thing' } };

/**
 * An emulator's own API, JSON over HTTP, for tests in other processes and for shells: all that the emulator's class does
 * in process. It takes no credentials, so it answers this machine only (unless told otherwise) and no web page.
 */
export class ControlServer {
  readonly #routes: Routes;
  readonly #remote: boolean;
  readonly #conflict: (error: unknown) => object | null;

  /** @param conflict what is said of an error of the emulated cloud; null for what is none */
  constructor(routes: Routes, remote: boolean, conflict: (error: unknown) => object | null) {
    this.#routes = routes;
    this.#remote = remote;
    this.#conflict = conflict;
  }

  async handle(request: IncomingMessage, response: ServerResponse, received: ReceivedRequest): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const reply = await this.#reply(request, received, gone.signal);
    if (gone.signal.aborted) return;
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(reply.status === 204 ? undefined : `${JSON.stringify(reply.json)}\n`);
  }

  async #reply(request: IncomingMessage, received: ReceivedRequest, gone: AbortSignal): Promise<Reply> {
    // A browser sends Origin with every request that changes something: no web page may give orders here.
    if (request.headers.origin !== undefined || !(this.#remote || isLoopback(request.socket.remoteAddress))) {
      return { status: 403, json: { error: 'the control API is for programs on this machine' } };
    }
    const [noun = '', ...rest] = received.path
      .slice(CONTROL_PATH.length + 1)
      .split('/')
      .map(decodeURIComponent);

    const handler = this.#routes[`${received.method} ${noun}${rest.length > 0 ? '/*' : ''}`];
    if (!handler) return { status: 404, json: { error: 'no such path', paths: Object.keys(this.#routes) } };
    try {
      const json = received.body.length === 0 ? undefined : JSON.parse(received.body.toString('utf8'));
      return await handler({ json, query: new URLSearchParams(received.query), rest, gone });
    } catch (error) {
      if (error instanceof SyntaxError) return { status: 400, json: { error: 'the body is not JSON' } };
      if (error instanceof SpecError) return { status: 400, json: { error: error.message } };
      const conflict = this.#conflict(error);
      if (conflict) return { status: 409, json: conflict };
      throw error;
    }
  }
}

/** The routes for orders and for the log of calls. */
export function orderRoutes<C extends LoggedCall, M extends object>(
  emulator: OrderedEmulator<C, M, OrderBook<C, M>>,
  parseMatch: (json: unknown) => M,
): Routes {
  return {
    'GET orders': () => ok(emulator.orders()),
    'POST orders': ({ json }) => ({ status: 201, json: { id: emulator.order(json as OrderSpec<M>).id } }),
    'DELETE orders': ({ query }) => {
      emulator.clearOrders({ release: query.get('release') === 'true' });
      return done(true);
    },
    'DELETE orders/*': ({ rest, query }) =>
      done(emulator.removeOrder(rest[0]!, { release: query.get('release') === 'true' })),
    'GET calls': (ask) => calls(emulator, parseMatch, ask),
    'DELETE calls': () => {
      emulator.resetCalls();
      return done(true);
    },
    'GET counts': () => ok(emulator.counts()),
  };
}

/** With `?atLeast=N` it waits for N matching calls, up to `timeoutMs` (30 s), then answers 408. */
async function calls<C extends LoggedCall, M extends object>(
  emulator: OrderedEmulator<C, M, OrderBook<C, M>>,
  parseMatch: (json: unknown) => M,
  { query, gone }: Ask,
): Promise<Reply> {
  const { atLeast, timeoutMs, ended, ...rest } = Object.fromEntries(query);
  const match = parseMatch(rest);
  if (atLeast === undefined) return ok(emulator.calls(match));
  const timeout = AbortSignal.timeout(wholeNumber('timeoutMs', timeoutMs ?? '30000'));
  try {
    const options = { ended: ended === 'true', signal: AbortSignal.any([gone, timeout]) };
    return ok(await emulator.waitForCalls(match, wholeNumber('atLeast', atLeast), options));
  } catch (error) {
    if (!timeout.aborted && !gone.aborted) throw error;
    return { status: 408, json: { error: `fewer than ${atLeast} such calls`, calls: emulator.calls(match) } };
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new SpecError(`${name} is a whole number`);
  return Number(text);
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(::1|127\.|::ffff:127\.)/.test(address);
}
