import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { proveControlPlane } from '@vaultplane/model/protocol/control-plane-proof.ts';
import { ENROLLED_SERVER_NAME } from '@vaultplane/model/protocol/enrolment.ts';
import {
  CLUSTER_PATH,
  type ConfigDefaults,
  MAX_DATA_PLANE_MESSAGE_BYTES,
} from '@vaultplane/model/protocol/protocol.ts';
import type { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { FollowedFiles } from '@vaultplane/platform/files/followed-files.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { keepAliveOf, listenAt } from '@vaultplane/platform/net/doors.ts';
import { printAddress } from '@vaultplane/platform/net/network-address.ts';
import { namesTwoHosts, TWO_HOSTS } from '@vaultplane/platform/net/request-framing.ts';
import { type Listen, reachable } from '@vaultplane/platform/settings/listen-setting.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { WebSocketServer } from 'ws';
import { listening } from '../listener.ts';
import type { Metrics } from '../status/metrics.ts';
import type { Enrolment } from './enrolment.ts';
import { EnrolmentRequests } from './enrolment-requests.ts';
import type { Fleet } from './fleet.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import { LastAcknowledgement } from './last-acknowledgement.ts';
import type { LinkAdmission } from './link-admission.ts';
import { MAX_UNREAD_BYTES } from './link-intake.ts';
import { MemoryBudget } from './memory-budget.ts';
import { type ClusterIdentity, chainOf, type PeerVerdict, peerNow, peerOf } from './peer-check.ts';
import type { Publisher } from './publisher.ts';
import { Session } from './session.ts';
import { SlowSends } from './slow-sends.ts';

const HANDSHAKE_WITHIN_MS = 10_000;
/** A refused peer has this long to read why. */
const READ_REFUSAL_WITHIN_MS = 5_000;
/** One control plane has at most this many links; more data planes need another one. */
export const MAX_LINKS = 10_000;
/** Connections at once, with those that are no link yet. */
const MAX_CONNECTIONS = 12_000;

export interface ClusterServerOptions {
  listen: readonly Listen[];
  /** Followed: links that come after a change see the new one, and those that would not be let in by it end. */
  identity: FollowedFiles<ClusterIdentity>;
  /** Who joins, where this control plane is the CA. */
  enrolment?: Enrolment | undefined;
  controlPlaneId: string;
  /** What this control plane proves itself with to data planes that ask for it. */
  exportKey?: ExportKey | undefined;
  defaults: ConfigDefaults;
  publisher: Publisher;
  fleet: Fleet;
  admission: LinkAdmission;
  metrics: Metrics;
  clock: Clock;
  log: Log;
}

/** Where data planes connect (specification.md §8): TLS 1.3 with client certificates, a WebSocket at /v1/cluster. */
export interface ClusterServer {
  /** wss://…/v1/cluster, one for each address. */
  urls: string[];
  stop(): Promise<void>;
}

/** @throws StartError when it can't listen */
export async function startClusterServer(options: ClusterServerOptions): Promise<ClusterServer> {
  const { exportKey, identity, log, metrics, publisher } = options;
  const sessions = new Set<Session>();
  /** What links were opened with, but those of nodes whose certificates the database knows. */
  const chains = new WeakMap<Session, ReturnType<typeof chainOf>>();
  const slowSends = new SlowSends(options.clock);
  const unread = new MemoryBudget(MAX_UNREAD_BYTES);
  const lastAcknowledgement = new LastAcknowledgement();
  const server = createTlsServer(identity);
  identity.onChange((renewed) => {
    server.setSecureContext(defaultContextOf(renewed));
    for (const session of sessions) void judgeAgain(session, renewed);
  });
  const judgeAgain = async (session: Session, renewed: ClusterIdentity) => {
    const chain = chains.get(session);
    if (!chain) return;
    try {
      const verdict = await renewed.check(peerNow(chain, renewed, options.clock.now()));
      if ('refused' in verdict) session.end('certificate_not_accepted', verdict.refused);
    } catch (error) {
      // Whoever can't be judged now is judged when it comes back.
      session.end('certificate_not_accepted', `the certificate can't be checked again: ${errorMessage(error)}`);
    }
  };
  const { enrolment } = options;
  const enrolmentRequests = enrolment && new EnrolmentRequests(enrolment, log);
  const renewOver = async (request: IncomingMessage, csr: Buffer) => {
    const shown = (request.socket as TLSSocket).getPeerX509Certificate();
    return (await enrolment!.renew(shown, csr, ipOf(request))).certificate;
  };
  const handshakes = new HandshakeQueue({ clock: options.clock });
  const sockets = new Set<Socket>();
  const takeConnection = (socket: Socket) => {
    if (sockets.size >= MAX_CONNECTIONS) return socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    handshakes.enter(socket, () => server.emit('connection', socket));
  };
  const listeners = options.listen.map((listen) => {
    const listener = createNetServer({ noDelay: true, ...keepAliveOf(listen) }, takeConnection);
    listener.maxConnections = MAX_CONNECTIONS;
    return { listen, listener };
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_DATA_PLANE_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
    // A link answers pings itself, and only whoever reads the answers.
    autoPong: false,
  });

  // TLS takes any client certificate, or none, so that here it can be said what is wrong with it.
  const admit = async (request: IncomingMessage): Promise<PeerVerdict> => {
    let verdict: PeerVerdict;
    try {
      verdict = await identity.current.check(peerOf(request.socket as TLSSocket));
    } catch (error) {
      verdict = {
        refused: `the control plane can't tell now who this is: ${errorMessage(error)}`,
        code: 'unavailable',
      };
    }
    if ('refused' in verdict) {
      metrics.linkRefused('certificate');
      log.warn({ ip: request.socket.remoteAddress, reason: verdict.refused }, 'a cluster link is refused');
    }
    return verdict;
  };
  server.on('request', (request, response) => {
    handshakes.leave(request.socket);
    if (namesTwoHosts(request)) {
      response.writeHead(400, { 'content-type': 'text/plain', connection: 'close' }).end(`${TWO_HOSTS}\n`);
      return;
    }
    if (enrolmentRequests?.take(request, response, ipOf(request))) return;
    void admit(request).then((verdict) => {
      const [status, reason] =
        'refused' in verdict ? [403, verdict.refused] : [404, `there is only a WebSocket here, at ${CLUSTER_PATH}`];
      response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${reason}\n`);
    });
  });
  server.on('upgrade', async (request, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (namesTwoHosts(request)) return answer(socket, '400 Bad Request', TWO_HOSTS);
    const verdict = await admit(request);
    if (socket.destroyed) return;
    if ('refused' in verdict) {
      const status = verdict.code === 'unavailable' ? '503 Service Unavailable' : '403 Forbidden';
      return answer(socket, status, verdict.refused, verdict.code);
    }
    if (request.url?.split('?')[0] !== CLUSTER_PATH)
      return answer(socket, '404 Not Found', `the path is ${CLUSTER_PATH}`);
    if (sessions.size >= MAX_LINKS) {
      metrics.linkRefused('too_many_links');
      log.warn({ links: sessions.size }, 'a cluster link is refused: this control plane has as many as it takes');
      return answer(socket, '503 Service Unavailable', `this control plane has ${MAX_LINKS} links and takes no more`);
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      handshakes.leave(request.socket);
      const session = new Session({
        ...options,
        socket: webSocket,
        connection: socket,
        prove: exportKey && (() => proveControlPlane(request.socket as TLSSocket, exportKey)),
        slowSends,
        unread,
        lastAcknowledgement,
        ip: ipOf(request),
        node: verdict.node,
        certificate:
          verdict.publicKey === undefined
            ? undefined
            : { commonName: verdict.commonName, publicKey: verdict.publicKey },
        renew: verdict.node && enrolment && ((csr) => renewOver(request, csr)),
        isEnrolled: enrolment && ((id) => enrolment.isEnrolled(id)),
        certExpiresAt: verdict.expiresAt,
        onRefuse: (code) => metrics.linkRefused(code),
        onAcknowledge: ({ version }) => {
          if (version !== publisher.position.version) return;
          metrics.acknowledged((options.clock.monotonic() - publisher.publishedAt) / 1000);
        },
      });
      sessions.add(session);
      if (!verdict.node) chains.set(session, chainOf(request.socket as TLSSocket));
      void session.ended.then(() => sessions.delete(session));
    });
  });
  server.on('tlsClientError', (error) => log.debug({ error: error.message }, 'a TLS handshake failed'));

  const close = () =>
    Promise.all(listeners.map(({ listener }) => new Promise<void>((resolve) => listener.close(() => resolve()))));
  const urls: string[] = [];
  try {
    for (const { listen, listener } of listeners) {
      await listening('cluster_listen', listen, () => listenAt(listener, listen));
      const { port } = listener.address() as AddressInfo;
      urls.push(`wss://${printAddress(reachable({ host: listen.host, port }))}${CLUSTER_PATH}`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    urls,
    async stop() {
      const closed = close();
      await Promise.all([...sessions].map((session) => session.stop()));
      slowSends.stop();
      webSockets.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** What is shown by default: the shared pair, where there still is one. */
function defaultContextOf({ certificate, key, authority, sharedPair }: ClusterIdentity) {
  const shown = sharedPair ?? { certificate, key };
  return { cert: shown.certificate, key: shown.key, ca: authority, minVersion: 'TLSv1.3' } as const;
}

function createTlsServer(identity: FollowedFiles<ClusterIdentity>): Server {
  let own: { of: ClusterIdentity; context: SecureContext } | undefined;
  const ownContext = () => {
    const { current } = identity;
    if (own?.of !== current) {
      own = {
        of: current,
        context: createSecureContext({ ...defaultContextOf({ ...current, sharedPair: undefined }) }),
      };
    }
    return own.context;
  };
  return createServer({
    ...defaultContextOf(identity.current),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    // Whoever shows no certificate may not keep a connection either.
    headersTimeout: HANDSHAKE_WITHIN_MS,
    requestTimeout: HANDSHAKE_WITHIN_MS,
    connectionsCheckingInterval: HANDSHAKE_WITHIN_MS / 4,
    // Undefined: the default context.
    SNICallback: (name, done) =>
      done(null, name === ENROLLED_SERVER_NAME && identity.current.sharedPair ? ownContext() : undefined),
  });
}

function ipOf(request: IncomingMessage): string | null {
  return request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? null;
}

function answer(socket: Duplex, status: string, reason: string, code?: string): void {
  // Whoever does not end the connection, or does not read, is not waited for.
  const late = setTimeout(() => socket.destroy(), READ_REFUSAL_WITHIN_MS).unref();
  socket.once('close', () => clearTimeout(late));
  const more = code === undefined ? '' : `Vaultplane-Refusal: ${code}\r\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${more}Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`,
  );
}
