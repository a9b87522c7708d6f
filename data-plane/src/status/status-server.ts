import type { IncomingMessage, ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { Doors, type DoorTls, isAllTls } from '@vaultplane/platform/net/doors.ts';
import type { WantedReadiness } from '@vaultplane/platform/net/drain-request.ts';
import { foreignReader } from '@vaultplane/platform/net/foreign-caller.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/platform/net/request-framing.ts';
import { http, https } from '@vaultplane/platform/node-modules.ts';
import { type Listen, urlOfListen } from '@vaultplane/platform/settings/listen-setting.ts';
import { requireMethod } from '../limits/guards.ts';
import { listening } from '../listening.ts';
import { asVaultplaneError, contentOf, sendContent, sendError, sendJson } from '../server/answer.ts';
import type { Metrics } from './metrics.ts';
import type { StatusFacts } from './status-facts.ts';

export interface StatusServer {
  /** One for each address. */
  urls: string[];
  stop(): Promise<void>;
}

/** /status, /status/live, /status/ready and /metrics on status_listen (specification.md §7). @throws StartError */
export async function startStatusServer(options: {
  /** None: `off`. */
  listen: readonly Listen[];
  tls?: DoorTls | undefined;
  facts: () => StatusFacts;
  /** Makes them at the first call. */
  metrics: () => Promise<Metrics>;
  /** Takes the program out of its load balancer, or puts it back. */
  setReadiness: (wanted: WantedReadiness) => void;
  log: Log;
}): Promise<StatusServer> {
  const { facts, metrics, listen: listens, tls } = options;
  const answerTo = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      if (namesTwoHosts(request)) throw new VaultplaneError('bad_request', TWO_HOSTS);
      const path = request.url?.split('?')[0];
      const mayPost = path === '/status/ready';
      requireMethod(request, mayPost ? ['GET', 'HEAD', 'POST'] : ['GET', 'HEAD']);
      if (request.method === 'POST') return await change(request, response, options.setReadiness);
      const refusal = foreignReader(request.headers, doors.of(request.socket));
      if (refusal !== undefined) return sendJson(response, 403, { error: { code: 'foreign_host', message: refusal } });
      switch (path) {
        case '/status':
          return sendJson(response, 200, facts());
        case '/status/live':
          return sendJson(response, 200, { live: true });
        case '/status/ready': {
          const { ready, reasons } = facts();
          return sendJson(response, ready ? 200 : 503, { ready, reasons });
        }
        case '/metrics': {
          const made = await metrics();
          const text = await made.text();
          return sendContent(response, contentOf(200, made.contentType, text));
        }
        default:
          return sendJson(response, 404, { error: { code: 'not_found', message: 'Not found' } });
      }
    } catch (error) {
      sendError(response, asVaultplaneError(error, options.log));
    }
  };
  const limits = { headersTimeout: 10_000, requestTimeout: 10_000 };
  const server = isAllTls(listens)
    ? https.createServer({ ...limits, ...tls }, answerTo)
    : http.createServer(limits, answerTo);
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

async function change(request: IncomingMessage, response: ServerResponse, set: (wanted: WantedReadiness) => void) {
  // Loaded when it is needed: no start waits for it.
  const { RefusedDrain, readDrainRequest } = await import('@vaultplane/platform/net/drain-request.ts');
  try {
    set(await readDrainRequest(request));
    response.writeHead(204).end();
  } catch (error) {
    if (!(error instanceof RefusedDrain)) throw error;
    const { status, message } = error;
    // A body that was not read to its end would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    const code = status === 403 ? 'foreign_host' : status === 413 ? 'too_large' : 'bad_request';
    sendJson(response, status, { error: { code, message } });
  }
}
