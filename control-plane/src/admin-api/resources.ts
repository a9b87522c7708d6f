import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Actor, Role, WriteRequest } from '../store/audit-log.ts';
import { withoutTokens } from '../store/tokens.ts';
import { MAX_BODY_BYTES, MAX_DOCUMENT_BYTES } from './body-limits.ts';
import { badRequest, methodNotAllowed } from './kong-error.ts';
import type { Query } from './paging.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    reads?: boolean;
    /** Who may; absent where nothing is done, as for a method that there is not. */
    role?: Role;
    /** The body is a whole configuration, and may be as large as one. */
    document?: boolean;
    /** Answered without a token. */
    open?: boolean;
  }
  interface FastifyRequest {
    /** Who calls; set before any handler runs. */
    actor: Actor;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;
export interface Access {
  /** Who may, for all methods or by method; otherwise a reader may GET and an editor everything. */
  role?: Role | Partial<Record<Method, Role>>;
  /** Whatever the method, it changes nothing, and is in no audit log. */
  reads?: true;
  /** The body is a whole configuration (body-limits.ts). */
  document?: true;
}

/** A path of the API, as its description needs it. */
export interface Resource {
  url: string;
  methods: readonly Method[];
  /** Of each method. */
  roles: Partial<Record<Method, Role>>;
}

const RESOURCES = new WeakMap<FastifyInstance, Resource[]>();

/** Every path that `resource` was called for, in the order of the calls. */
export function resourcesOf(app: FastifyInstance): readonly Resource[] {
  return RESOURCES.get(app) ?? [];
}

const ALL: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** One path with its methods: any other is answered 405 with Allow, OPTIONS 204 with Allow. */
export function resource(
  app: FastifyInstance,
  url: string,
  methods: Partial<Record<Method, Handler>>,
  access: Access = {},
): void {
  const given = (method: Method) => (typeof access.role === 'object' ? access.role[method] : access.role);
  const roleOf = (method: Method) => given(method) ?? (method === 'GET' ? 'reader' : 'editor');
  const own = Object.keys(methods) as Method[];
  const roles = Object.fromEntries(own.map((method) => [method, roleOf(method)]));
  RESOURCES.set(app, [...resourcesOf(app), { url, methods: own, roles }]);
  const allowed = [...Object.keys(methods), ...(methods.GET ? ['HEAD'] : []), 'OPTIONS'].sort();
  for (const [method, handler] of Object.entries(methods) as Array<[Method, Handler]>) {
    app.route({
      method: method === 'GET' ? ['GET', 'HEAD'] : method,
      url,
      config: {
        reads: method === 'GET' || access.reads === true,
        role: roleOf(method),
        document: access.document === true,
      },
      bodyLimit: access.document ? MAX_DOCUMENT_BYTES : MAX_BODY_BYTES,
      handler: async (request, reply) => handler(request, reply),
    });
  }
  app.route({
    method: ALL.filter((method) => !allowed.includes(method) || method === 'OPTIONS'),
    url,
    // A body of any type is as wrong as none: no parser is to say so first.
    onRequest: async (request, reply) => {
      if (request.method !== 'OPTIONS') throw methodNotAllowed(allowed);
      return reply.code(204).header('allow', allowed.join(', ')).send();
    },
    handler: async () => {},
  });
}

/** @throws KongError for a text that no database can hold, or look for */
export function pathParameter(request: FastifyRequest, name: string): string {
  const text = (request.params as Record<string, string>)[name] ?? '';
  if (text.includes('\0')) throw badRequest('the path must not have a null character');
  return text;
}

export function queryOf(request: FastifyRequest): Query {
  return request.query as Query;
}

/**
 * What the audit log says of a request: of a token that somebody has put where its id belongs, no more than that.
 *
 * @param status of the answer
 */
export function writeRequest(request: FastifyRequest, status: number): WriteRequest {
  const path = withoutTokens(request.url.split('?')[0]!).slice(0, 1000);
  return { method: request.method, path, status, requestId: request.id };
}
