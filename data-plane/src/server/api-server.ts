import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { forRequest, nextRequestId, sentRequestId } from '@vaultplane/platform/logging/request-id.ts';
import { type Address, isLoopback } from '@vaultplane/platform/net/network-address.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/platform/net/request-framing.ts';
import { http, https } from '@vaultplane/platform/node-modules.ts';
import type { Grant } from '../auth/client.ts';
import type { Resolved } from '../cache/resolver.ts';
import type { Door } from '../endpoints/door.ts';
import { Watchers } from '../endpoints/watch.ts';
import { ShortWay } from '../fast-path/short-way.ts';
import { Connections } from '../limits/connections.ts';
import { BadToken, isForwarded, namesThisMachine, requireMethod } from '../limits/guards.ts';
import type { RefusalReason } from '../limits/refusals.ts';
import { listenOn, listenOnSocket } from '../listening.ts';
import { asVaultplaneError, sendErrorText } from './answer.ts';
import { Call, type Routes } from './route.ts';
import { apiRoutes, PING } from './routes.ts';

export interface ApiServerOptions extends Door {
  listen: Address;
  /** PEM texts; without them api_listen speaks plain HTTP. */
  tls?: { cert: string; key: string } | undefined;
  unixSocket?: string | undefined;
  /** False leaves every call to node:http, which is what can be traced. */
  shortWay?: boolean;
  /** Told of each server before it serves. */
  onServer?: (server: Server) => void;
}

export interface ApiServer {
  /** Where api_listen is, with its real port. */
  address: Address;
  watchers: Watchers;
  connections: Connections;
  /** Calls answered without node:http. */
  readonly shortAnswers: number;
  /** Takes no more calls, finishes those it has (for at most GRACE_MS), then returns. */
  stop(): Promise<void>;
}

const HTTP_LIMITS = {
  /** A watch names its references in its path: about a thousand of them. */
  maxHeaderSize: 64 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 5_000,
} as const;
/** A connection on which nothing moves in the middle of a call is cut, milliseconds. */
const SILENCE_MS = 30_000;
const HANDSHAKE_MS = 10_000;
const GRACE_MS = 5_000;

/** The doors for applications: api_listen and api_unix_socket (specification.md §6). @throws StartError */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { tls } = options;
  const watchers = new Watchers(options);
  const routes = apiRoutes(options, watchers);
  const connections = new Connections(options.refusals);
  const servers: Server[] = [];
  let removeSocket: (() => void) | undefined;
  const open = (server: Server) => {
    server.timeout = SILENCE_MS;
    server.maxHeadersCount = 100;
    connections.guard(server, server === secure ? 'secureConnection' : 'connection');
    server.on('clientError', (error, socket) => refuseBadHttp(options, error, socket as Socket));
    options.onServer?.(server);
    servers.push(server);
  };
  const stop = async () => {
    watchers.stop();
    for (const shortWay of shortWays) shortWay.stop();
    const cancelGrace = options.clock.after(GRACE_MS, () => {
      for (const shortWay of shortWays) shortWay.cut();
      for (const server of servers) server.closeAllConnections();
    });
    // Before it drains: whoever comes next may have the name.
    removeSocket?.();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    cancelGrace();
  };
  const shortWays: ShortWay[] = [];
  const takeBegun = (socket: Socket) => {
    for (const shortWay of shortWays) {
      const begun = shortWay.takeBegun(socket);
      if (begun) return begun;
    }
    return undefined;
  };
  const listener = (hostIsChecked: boolean) => answerCalls(options, routes, connections, hostIsChecked, takeBegun);
  const openPlain = (hostIsChecked: boolean) => {
    const server = http.createServer(HTTP_LIMITS, listener(hostIsChecked));
    open(server);
    if (options.shortWay !== false) {
      shortWays.push(new ShortWay({ server, door: options, routes, connections, hostIsChecked }));
    }
    return server;
  };
  const secure = tls
    ? https.createServer(
        { ...HTTP_LIMITS, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS },
        listener(isLoopback(options.listen)),
      )
    : undefined;
  try {
    if (secure) open(secure);
    const tcp = secure ?? openPlain(isLoopback(options.listen));
    const address = await listenOn(tcp, 'api_listen', options.listen);
    if (options.unixSocket !== undefined) {
      const unix = openPlain(false);
      removeSocket = await listenOnSocket(unix, 'api_unix_socket', options.unixSocket);
    }
    return {
      address,
      watchers,
      connections,
      get shortAnswers() {
        return shortWays.reduce((sum, { answered }) => sum + answered, 0);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Every call gets an id, passes the guards in this order, and then is its route's. Only a caller whose token is taken may
 * choose the id: nothing that anybody else sends comes into the log.
 */
function answerCalls(
  door: Door,
  routes: Routes,
  connections: Connections,
  hostIsChecked: boolean,
  takeBegun: (socket: Socket) => Promise<Resolved> | undefined,
): RequestListener {
  return (request, response) => {
    const url = request.url ?? '/';
    const at = url.indexOf('?');
    const path = at < 0 ? url : url.slice(0, at);
    const route = routes.find(path);
    const begun = takeBegun(request.socket);
    const grant = door.access.grantOf(request.headers, route?.takesSessionToken);
    // Nobody is told who is not there any more.
    const fail = (thrown: unknown) => {
      if (response.destroyed) return;
      const error = asVaultplaneError(thrown, door.log);
      door.log.debug({ door: route?.door ?? 'unknown', code: error.code }, 'a call was answered with an error');
      (route?.sendError ?? sendErrorText)(response, error);
    };
    const refuse = (reason: RefusalReason, error: VaultplaneError) => {
      door.refusals.add(reason, { door: route?.door ?? 'unknown' });
      fail(error);
    };
    const refuseToken = () => {
      const isShown = door.access.isTokenShown(request.headers, route?.takesSessionToken);
      const wait = isShown ? door.access.wrongTokens.shown(request.socket) : 0;
      if (wait === 0) return refuse('bad_token', new BadToken());
      response.setHeader('connection', 'close');
      const error = new VaultplaneError('too_many', 'too many wrong tokens', { retryAfterSeconds: wait });
      return refuse('too_many_bad_tokens', error);
    };
    const answer = () => {
      if (namesTwoHosts(request)) {
        response.setHeader('connection', 'close');
        return refuse('not_http', new VaultplaneError('bad_request', TWO_HOSTS));
      }
      if (isForwarded(request)) return refuse('forwarded', new VaultplaneError('bad_request', 'Forwarded'));
      if (hostIsChecked && !namesThisMachine(request)) {
        const message = 'the Host header must name this machine, such as 127.0.0.1 or localhost';
        return refuse('foreign_host', new VaultplaneError('bad_request', message));
      }
      if (!grant && path !== PING) return refuseToken();
      try {
        if (grant) connections.prove(request.socket, grant.client);
        if (!route) throw new VaultplaneError('not_found', 'Not found');
        requireMethod(request, route.methods);
        const search = at < 0 ? '' : url.slice(at + 1);
        const going = route.handle(new Call(request, response, path, search, grant as Grant, begun));
        if (going instanceof Promise) going.catch(fail);
      } catch (error) {
        fail(error);
      }
    };
    forRequest((grant && sentRequestId(request.headers)) ?? nextRequestId(), answer);
  };
}

/** What is not HTTP, too large a head, or too slow to come: an answer where one can still be given, and the end. */
function refuseBadHttp({ refusals }: Door, error: Error & { code?: string }, socket: Socket): void {
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  if (error.code !== 'ECONNRESET') {
    refusals.add(status.startsWith('408') ? 'slow_client' : status.startsWith('431') ? 'too_large' : 'not_http');
  }
  // Whoever waits for another answer would take this one for it.
  const isAnswering = Boolean((socket as Socket & { _httpMessage?: object })._httpMessage);
  if (!socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ error: { code: 'bad_request', message: status.slice(4) } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
