import { unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { type Address, isLoopback } from '@vaultplane/shared/settings.ts';
import { listenOn, listenOnSocket } from '../listening.ts';
import { asVaultplaneError, sendError, sendText } from './answer.ts';
import type { Door } from './door.ts';
import { refuseForeignHost, refuseForwarded, requireMethod, requireToken } from './guards.ts';
import { Refreshes } from './refresh.ts';
import { referenceOf, resolveMany, resolveOne } from './resolve.ts';
import { Watchers } from './watch.ts';

export interface ApiServerOptions extends Door {
  listen: Address;
  /** PEM texts; without them api_listen speaks plain HTTP. */
  tls?: { cert: string; key: string } | undefined;
  unixSocket?: string | undefined;
}

export interface ApiServer {
  /** Where api_listen is, with its real port. */
  address: Address;
  watchers: Watchers;
  /** Takes no more calls, finishes those it has (for at most GRACE_MS), then returns. */
  stop(): Promise<void>;
}

const HTTP_LIMITS = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 5_000,
} as const;
const GRACE_MS = 5_000;

/** The doors for applications: api_listen and api_unix_socket (CONTRACT.md §6). @throws StartError */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const watchers = new Watchers(options);
  const desks = { watchers, refreshes: new Refreshes(options) };
  const servers: Server[] = [];
  const stop = async () => {
    watchers.stop();
    const cancelGrace = options.clock.after(GRACE_MS, () => {
      for (const server of servers) server.closeAllConnections();
    });
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    cancelGrace();
    if (options.unixSocket !== undefined) await unlink(options.unixSocket).catch(() => {});
  };
  try {
    const hostIsChecked = isLoopback(options.listen);
    const tcp = options.tls
      ? createTlsServer(
          { ...HTTP_LIMITS, ...options.tls, minVersion: 'TLSv1.2' },
          listener(options, desks, hostIsChecked),
        )
      : createServer(HTTP_LIMITS, listener(options, desks, hostIsChecked));
    const address = await listenOn(tcp, 'api_listen', options.listen);
    servers.push(tcp);
    if (options.unixSocket !== undefined) {
      const unix = createServer(HTTP_LIMITS, listener(options, desks, false));
      await listenOnSocket(unix, 'api_unix_socket', options.unixSocket);
      servers.push(unix);
    }
    return { address, watchers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a door's calls share. */
interface Desks {
  watchers: Watchers;
  refreshes: Refreshes;
}

function listener(door: Door, desks: Desks, hostIsChecked: boolean): RequestListener {
  return (request, response) => {
    const url = request.url ?? '/';
    const at = url.indexOf('?');
    const path = at < 0 ? url : url.slice(0, at);
    const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
    const fail = (thrown: unknown) =>
      sendError(response, asVaultplaneError(thrown, door.log), {
        reference: shownReference(path, query),
        // The doors that AWS's provider has answer as it does: an error is a line of text.
        asText: !OWN_PATHS.includes(path),
      });
    try {
      refuseForwarded(request);
      if (hostIsChecked) refuseForeignHost(request);
      if (path !== '/ping') requireToken(request, door.token);
      const going = route(door, desks, { request, response, path, query });
      if (going instanceof Promise) going.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  path: string;
  query: URLSearchParams;
}

const OWN_PATHS = ['/v1/resolve', '/v1/watch', '/v1/refresh'];

function route(
  door: Door,
  { watchers, refreshes }: Desks,
  { request, response, path, query }: Call,
): void | Promise<void> {
  switch (path) {
    case '/ping':
      requireMethod(request, ['GET']);
      return sendText(response, 200, 'healthy');
    case '/v1/resolve':
      requireMethod(request, ['GET', 'POST']);
      return request.method === 'GET' ? resolveOne(door, query, response) : resolveMany(door, request, response);
    case '/v1/watch':
      requireMethod(request, ['GET']);
      return watchers.watch(query, response);
    case '/v1/refresh':
      requireMethod(request, ['POST']);
      return refreshes.refresh(request, response);
    default:
      throw new VaultplaneError('not_found', 'Not found');
  }
}

function shownReference(path: string, query: URLSearchParams): string | undefined {
  return path === '/v1/resolve' ? referenceOf(query) : undefined;
}
