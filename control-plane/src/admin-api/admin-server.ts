import { randomUUID } from 'node:crypto';
import type { ExportPublicKey } from '@vaultplane/model/snapshots/export-key.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { forRequest, REQUEST_ID_HEADER, sentRequestId } from '@vaultplane/platform/logging/request-id.ts';
import type { Tracing } from '@vaultplane/platform/logging/tracing.ts';
import { Doors, isAllTls } from '@vaultplane/platform/net/doors.ts';
import { answerWhileSending, namesTwoHosts, TWO_HOSTS } from '@vaultplane/platform/net/request-framing.ts';
import { type Listen, urlOfListen } from '@vaultplane/platform/settings/listen-setting.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Enrolment } from '../fleet/enrolment.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { FleetCommands } from '../fleet/fleet-commands.ts';
import type { Publisher } from '../fleet/publisher.ts';
import type { ReferenceRegistry } from '../fleet/reference-registry.ts';
import { listening } from '../listener.ts';
import { managerRoutes } from '../manager/manager-routes.ts';
import { doorTls } from '../pem.ts';
import type { Metrics } from '../status/metrics.ts';
import type { Store } from '../store/open-store.ts';
import { auditRoutes } from './audit-routes.ts';
import { type Authentication, requireRole } from './authentication.ts';
import { MAX_BODY_BYTES } from './body-limits.ts';
import { clusteringRoutes } from './clustering-routes.ts';
import { configRoutes } from './config-routes.ts';
import { CurrentVaults } from './current-vaults.ts';
import { drillRoutes } from './drill-routes.ts';
import { emptyListRoutes } from './empty-list-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { FailedTries } from './failed-tries.ts';
import { FleetFeed } from './fleet-feed.ts';
import { type Information, informationRoutes } from './information-routes.ts';
import { invitationRoutes } from './invitation-routes.ts';
import { badRequest, notFound, toKongError } from './kong-error.ts';
import { nodeRoutes } from './node-routes.ts';
import { openApiRoute } from './openapi/document.ts';
import { tellUnknownParameters } from './query-names.ts';
import { referenceRoutes } from './reference-routes.ts';
import { refreshRoutes } from './refresh-routes.ts';
import { acceptBodies } from './request-body.ts';
import { writeRequest } from './resources.ts';
import { schemaRoutes } from './schema-routes.ts';
import { tagRoutes } from './tag-routes.ts';
import { tokenRoutes } from './token-routes.ts';
import { vaultRoutes } from './vault-routes.ts';
import { withoutWorkspace, workspaceRoutes } from './workspaces.ts';

export interface AdminServerOptions {
  /** None: `off`. */
  listen: readonly Listen[];
  certificateFile?: string | undefined;
  keyFile?: string | undefined;
  store: Store;
  /** Where this control plane is the CA. */
  enrolment?: Enrolment | undefined;
  authentication: Authentication;
  publisher: Publisher;
  fleet: Fleet;
  exportKey: ExportPublicKey | undefined;
  /** Seconds; cluster_data_plane_purge_delay. */
  dataPlanePurgeDelay: number;
  references: ReferenceRegistry;
  commands: FleetCommands;
  clock: Clock;
  metrics: Metrics;
  /** Where the manager's page is, such as /manager; undefined: nowhere. */
  managerPath: string | undefined;
  information: Omit<Information, 'database' | 'publisher' | 'fleet' | 'audit' | 'log' | 'clock'>;
  tracing?: Tracing | undefined;
  log: Log;
}

/** Paths that traces may tell, without what is below them. */
const TRACED_ROUTES = [
  '/vaults',
  '/config',
  '/clustering',
  '/tags',
  '/schemas',
  '/status',
  '/audit',
  '/tokens',
  '/nodes',
];

/** Of every answer: what is told to whoever has a token is kept by no cache, and is what its type says. */
const ANSWER_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Requests in progress have this long to end when the server stops. */
const FINISH_WITHIN_MS = 1500;

/** The Admin API. */
export interface AdminServer {
  /** One for each address of admin_listen. */
  urls: string[];
  stop(): Promise<void>;
}

/** @throws StartError when it can't listen, or its certificate can't be used */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { store, publisher, fleet, log, information } = options;
  const app = createApp(options);
  await acceptBodies(app);

  app.decorateRequest('actor');
  // By a callback: what comes after it, and all that it waits for, is done for this request.
  app.addHook('onRequest', (request, _reply, done) => forRequest(request.id, done));
  // Before any of the body is read: whoever may not do what is asked has nothing parsed.
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...ANSWER_HEADERS, [REQUEST_ID_HEADER]: request.id, 'x-kong-admin-request-id': request.id });
    if (namesTwoHosts(request.raw)) throw badRequest(TWO_HOSTS);
    const { open, role } = request.routeOptions.config ?? {};
    // The manager's own files say nothing of what is kept here; what they show, they ask this API for.
    if (open !== true) request.actor = await options.authentication.identify(request);
    if (role !== undefined) requireRole(request.actor, role);
    if (request.is404) throw notFound();
  });
  // Whoever has written sees it in whatever is read next here, the published version too.
  app.addHook('onSend', async (request, reply) => {
    if (request.method !== 'GET' && reply.statusCode < 400) await publisher.caughtUp();
  });
  // Fastify would end the connection of whoever sends too much; a client that is still sending would never see the answer.
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode < 400 || request.raw.complete) return;
    reply.removeHeader('connection');
    answerWhileSending(request.raw, reply.raw);
  });
  const strangers = new FailedTries(options.clock);
  app.addHook('onSend', async (request, reply) => {
    if (!isRefusedWrite(request, reply)) return;
    const { actor } = request;
    const remoteAddress = request.socket.remoteAddress ?? null;
    // Whoever did not get in, with no token at all too, is not to fill the database.
    if (!actor && strangers.waitSeconds(remoteAddress) > 0) return;
    if (!actor) strangers.failed(remoteAddress);
    const caller = actor ?? { name: 'unknown', role: null, remoteAddress };
    await store.audit.note(caller, writeRequest(request, reply.statusCode)).catch((error) => {
      log.warn({ request_id: request.id, error: errorMessage(error) }, 'a refused request is not in the audit log');
    });
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    options.metrics.adminRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    const { method, id: request_id } = request;
    const facts = { method, route, status: reply.statusCode, actor: request.actor?.name, request_id };
    if (request.method !== 'GET' && reply.statusCode < 400) log.info(facts, 'admin request');
    else log.debug(facts, 'admin request');
  });

  tellUnknownParameters(app);

  informationRoutes(app, {
    ...information,
    ...{ database: store.database, publisher, fleet, audit: store.audit, log, clock: options.clock },
  });
  const current = new CurrentVaults(store.config, publisher);
  vaultRoutes(app, store.config, current);
  schemaRoutes(app);
  tagRoutes(app, current);
  clusteringRoutes(app, { ...options, nodes: store.fleetNodes });
  nodeRoutes(app, store.fleetNodes, fleet);
  eventRoutes(app, new FleetFeed({ fleet, publisher, clock: options.clock, log }), options.clock);
  referenceRoutes(app, options.references);
  refreshRoutes(app, { store: store.config, commands: options.commands, clock: options.clock });
  configRoutes(app, store.config, current);
  tokenRoutes(app, store.tokens);
  invitationRoutes(app, store.invitations, options.enrolment);
  auditRoutes(app, store.audit);
  drillRoutes(app, store.drills);
  emptyListRoutes(app);
  workspaceRoutes(app, publisher);
  openApiRoute(app);
  if (options.managerPath !== undefined) managerRoutes(app, options.managerPath);

  const doors = new Doors(app.server, {
    listens: options.listen,
    tls: doorTls('admin_ssl_cert', options.certificateFile, options.keyFile),
    listenOn: ({ host, port, backlog, ipv6Only }) =>
      app.listen({ host, port, ...(backlog && { backlog }), ...(ipv6Only !== undefined && { ipv6Only }) }),
    listening: (listen, work) => listening('admin_listen', listen, work),
  });
  await app.ready();
  await doors.open().catch(async (error) => {
    await app.close();
    throw error;
  });
  options.tracing?.traceServer(app.server, TRACED_ROUTES);
  return {
    urls: doors.bound.map(urlOfListen),
    async stop() {
      doors.close();
      const late = setTimeout(() => app.server.closeAllConnections(), FINISH_WITHIN_MS);
      await app.close().finally(() => clearTimeout(late));
    },
  };
}

/** A write that changed nothing, since it was not allowed, or wrong, or failed; not one beyond an address' share of tries. */
function isRefusedWrite(request: FastifyRequest, reply: FastifyReply): boolean {
  if (reply.statusCode < 400 || reply.statusCode === 429 || request.routeOptions.config?.reads === true) return false;
  return !['GET', 'HEAD', 'OPTIONS'].includes(request.method);
}

function createApp({ listen, certificateFile, keyFile, log }: AdminServerOptions): FastifyInstance {
  const answerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    reply.headers(ANSWER_HEADERS);
    const known = toKongError(error);
    if (known) return reply.code(known.status).headers(known.headers).send(known.body);
    const { method, id: request_id } = request;
    log.error({ method, route: request.routeOptions?.url, request_id, err: error }, 'an admin request failed');
    return reply.code(500).send({ message: 'An unexpected error occurred' });
  };
  const app = Fastify({
    ...(isAllTls(listen) && { https: doorTls('admin_ssl_cert', certificateFile, keyFile)! }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 60_000,
    // In Kong's form, unless the caller has given one.
    genReqId: ({ headers }) => sentRequestId(headers) ?? randomUUID().replaceAll('-', ''),
    // A stop waits for requests in progress, and for no connection that is merely open.
    forceCloseConnections: 'idle',
    rewriteUrl: ({ url = '/' }) => withoutWorkspace(url),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 4096 },
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
  }) as unknown as FastifyInstance;
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(() => {
    throw notFound();
  });
  return app;
}
