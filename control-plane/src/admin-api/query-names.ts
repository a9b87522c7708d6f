import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { NOT_SHOWN, shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ABSENT_ENTITIES } from './empty-list-routes.ts';
import { badRequest } from './kong-error.ts';
import { operationOf } from './openapi/document.ts';
import type { Method } from './resources.ts';

/** The header that names parameters which mean nothing, beside the answer's `warnings`. */
export const WARNING_HEADER = 'x-vaultplane-warning';
/** Whoever asks for pages asks every list for them; one that has none is a page as a whole. */
const PAGE: readonly string[] = ['size', 'offset'];
/** More names of one request than these are not told one by one. */
const MAX_NAMED = 5;

/** Paths of Kong's Admin API: its clients send parameters of which a route knows nothing, and Kong ignores them. */
const KONG_PATHS: ReadonlySet<string> = new Set([
  ...['/', '/status', '/config', '/debug/node/log-level', '/debug/node/log-level/:level'],
  ...['/workspaces', '/workspaces/:name', '/vaults', '/vaults/:key', '/tags', '/tags/:tag'],
  ...['/schemas/vaults', '/schemas/vaults/:name', '/schemas/vaults/validate'],
  ...['/clustering/data-planes', '/clustering/data-planes/:id', '/clustering/status'],
  ...ABSENT_ENTITIES.map((name) => `/${name}`),
]);
/** Answers whose members are no names of ours: nothing is put among them. */
const WITHOUT_WARNINGS: ReadonlySet<string> = new Set(['GET /config', 'GET /clustering/status']);

/**
 * Tells of query parameters that a route does not know (by its OpenAPI description), with the nearest that it does: on a path
 * of Kong's as a warning, since its clients send them, on one of our own as an error, since a misspelt filter would show
 * everything.
 */
export function tellUnknownParameters(app: FastifyInstance): void {
  app.addHook('preHandler', async (request, reply) => {
    const found = unknownParameters(request);
    if (found.length === 0) return;
    if (!KONG_PATHS.has(request.routeOptions.url!)) throw badRequest(found.join(', '));
    reply.header(WARNING_HEADER, found.join(', '));
  });
  app.addHook('preSerialization', async (request, reply, payload) => {
    const { url } = request.routeOptions;
    const told = reply.getHeader(WARNING_HEADER);
    if (told === undefined || !isPlainObject(payload) || WITHOUT_WARNINGS.has(`${methodOf(request)} ${url}`)) {
      return payload;
    }
    const before = Array.isArray(payload.warnings) ? payload.warnings : [];
    return { ...payload, warnings: [...before, ...unknownParameters(request)] };
  });
}

/** What is to be said of each. */
function unknownParameters(request: FastifyRequest): string[] {
  const { url } = request.routeOptions;
  const operation = url === undefined ? undefined : operationOf(methodOf(request), url);
  if (!operation) return [];
  const known = Object.keys(operation.query ?? {});
  const taken = [...known, ...(KONG_PATHS.has(url!) ? [] : PAGE)];
  const unknown = Object.keys(request.query as object).filter((name) => !taken.includes(name));
  return unknown.slice(0, MAX_NAMED).map((name) => {
    const hint = nearest(name, known) || (known.length === 0 ? '; it takes none' : `; it takes ${known.join(' ')}`);
    // A header has no other characters.
    const shown = /^[\x20-\x7e]*$/.test(name) ? shownName(name) : NOT_SHOWN;
    return `unknown query parameter ${shown}${hint}`;
  });
}

/** HEAD is GET without a body. */
function methodOf({ method }: FastifyRequest): Method {
  return (method === 'HEAD' ? 'GET' : method) as Method;
}

function isPlainObject(payload: unknown): payload is Record<string, unknown> {
  return typeof payload === 'object' && payload !== null && Object.getPrototypeOf(payload) === Object.prototype;
}
