import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Doors, isAllTls } from '@vaultplane/platform/net/doors.ts';
import { RefusedDrain, readDrainRequest, type WantedReadiness } from '@vaultplane/platform/net/drain-request.ts';
import { foreignReader } from '@vaultplane/platform/net/foreign-caller.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/platform/net/request-framing.ts';
import { type Listen, urlOfListen } from '@vaultplane/platform/settings/listen-setting.ts';
import { listening } from '../listener.ts';
import { doorTls } from '../pem.ts';
import type { Metrics } from './metrics.ts';

export interface StatusServerOptions {
  /** None: `off`. */
  listen: readonly Listen[];
  certificate?: string | undefined;
  privateKey?: string | undefined;
  /** Facts for /status; never a secret. */
  facts: () => Record<string, unknown>;
  /** Why the program is of no use now; empty: it is ready. */
  reasons: () => string[];
  /** Takes the program out of its load balancer, or puts it back. */
  setReadiness: (wanted: WantedReadiness, remoteAddress: string | null) => Promise<void>;
  metrics: Metrics;
}

/** Milliseconds. */
const HTTP_LIMITS = { headersTimeout: 10_000, requestTimeout: 10_000 };

export interface StatusServer {
  /** One for each address. */
  urls: string[];
  stop(): Promise<void>;
}

/** /status, /status/live, /status/ready and /metrics (specification.md §7). @throws StartError when it can't listen */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const { listen: listens, certificate, privateKey } = options;
  const tls = doorTls('status_ssl_cert', certificate, privateKey);
  const answerTo: RequestListener = (request, response) => {
    response.setHeader('cache-control', 'no-store').setHeader('x-content-type-options', 'nosniff');
    if (namesTwoHosts(request)) return json(response, 400, { message: TWO_HOSTS });
    const path = request.url?.split('?')[0] ?? '/';
    const mayPost = path === '/status/ready';
    if (request.method === 'POST' && mayPost) return void change(options, request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', mayPost ? 'GET, HEAD, POST' : 'GET, HEAD');
      return json(response, 405, { message: 'Method not allowed' });
    }
    const refusal = foreignReader(request.headers, doors.of(request.socket));
    if (refusal !== undefined) return json(response, 403, { message: refusal });
    answer(options, path, response).catch(() => json(response, 500, { message: 'An unexpected error occurred' }));
  };
  const server = isAllTls(listens)
    ? createTlsServer({ ...HTTP_LIMITS, ...tls }, answerTo)
    : createServer(HTTP_LIMITS, answerTo);
  const doors = new Doors(server, {
    listens,
    tls,
    listening: (listen, work) => listening('status_listen', listen, work),
  });
  await doors.open();
  return {
    urls: doors.bound.map(urlOfListen),
    stop: () =>
      new Promise((resolve) => {
        doors.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer({ facts, reasons, metrics }: StatusServerOptions, path: string, response: ServerResponse) {
  switch (path) {
    case '/status':
      return json(response, 200, facts());
    case '/status/live':
      return json(response, 200, { message: 'live' });
    case '/status/ready': {
      const why = reasons();
      return why.length === 0
        ? json(response, 200, { message: 'ready' })
        : json(response, 503, { message: 'not ready', reasons: why });
    }
    case '/metrics': {
      const text = await metrics.text();
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
      return;
    }
    default:
      json(response, 404, { message: 'Not found' });
  }
}

async function change({ setReadiness }: StatusServerOptions, request: IncomingMessage, response: ServerResponse) {
  try {
    await setReadiness(await readDrainRequest(request), request.socket.remoteAddress ?? null);
    response.writeHead(204).end();
  } catch (error) {
    const known = error instanceof RefusedDrain ? error : undefined;
    // A body that was not read to its end would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    json(response, known?.status ?? 500, { message: known?.message ?? 'An unexpected error occurred' });
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(`${JSON.stringify(body)}\n`);
}
