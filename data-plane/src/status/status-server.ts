import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { foreignReader } from '@vaultplane/shared/foreign-caller.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import { http } from '@vaultplane/shared/node-modules.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/shared/request-framing.ts';
import type { Address } from '@vaultplane/shared/settings.ts';
import { asVaultplaneError, contentOf, sendContent, sendError, sendJson } from '../api/answer.ts';
import { requireMethod } from '../api/guards.ts';
import { listenOn } from '../listening.ts';
import type { Metrics } from './metrics.ts';
import type { StatusFacts } from './status-facts.ts';

export interface StatusServer {
  address: Address;
  stop(): Promise<void>;
}

/** /status, /status/live, /status/ready and /metrics on status_listen (CONTRACT.md §7). @throws StartError */
export async function startStatusServer(options: {
  listen: Address;
  facts: () => StatusFacts;
  /** Makes them at the first call. */
  metrics: () => Promise<Metrics>;
  log: Log;
}): Promise<StatusServer> {
  const { facts, metrics } = options;
  const server = http.createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, async (request, response) => {
    try {
      if (namesTwoHosts(request)) throw new VaultplaneError('bad_request', TWO_HOSTS);
      requireMethod(request, ['GET']);
      const refusal = foreignReader(request.headers, options.listen);
      if (refusal !== undefined) return sendJson(response, 403, { error: { code: 'foreign_host', message: refusal } });
      switch (request.url?.split('?')[0]) {
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
  });
  const address = await listenOn(server, 'status_listen', options.listen);
  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
