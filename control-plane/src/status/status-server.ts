import { createServer, type ServerResponse } from 'node:http';
import { foreignReader } from '@vaultplane/shared/foreign-caller.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/shared/request-framing.ts';
import { type Address, printAddress } from '@vaultplane/shared/settings.ts';
import { boundAddress, listen, listening, reachable } from '../listener.ts';
import type { Metrics } from './metrics.ts';

export interface StatusServerOptions {
  listen: Address;
  /** Facts for /status; never a secret. */
  facts: () => Record<string, unknown>;
  /** Why the program is of no use now; empty: it is ready. */
  reasons: () => string[];
  metrics: Metrics;
}

/** Milliseconds. */
const HTTP_LIMITS = { headersTimeout: 10_000, requestTimeout: 10_000 };

export interface StatusServer {
  address: Address;
  url: string;
  stop(): Promise<void>;
}

/** /status, /status/live, /status/ready and /metrics (CONTRACT.md §7). @throws StartError when it can't listen */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const server = createServer(HTTP_LIMITS, (request, response) => {
    response.setHeader('cache-control', 'no-store').setHeader('x-content-type-options', 'nosniff');
    if (namesTwoHosts(request)) return json(response, 400, { message: TWO_HOSTS });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return json(response, 405, { message: 'Method not allowed' });
    }
    const refusal = foreignReader(request.headers, options.listen);
    if (refusal !== undefined) return json(response, 403, { message: refusal });
    answer(options, request.url?.split('?')[0] ?? '/', response).catch(() =>
      json(response, 500, { message: 'An unexpected error occurred' }),
    );
  });
  await listening('status_listen', options.listen, () => listen(server, options.listen));
  const address = boundAddress(server, options.listen);
  return {
    address,
    url: `http://${printAddress(reachable(address))}`,
    stop: () =>
      new Promise((resolve) => {
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

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(`${JSON.stringify(body)}\n`);
}
