import type { FastifyInstance } from 'fastify';
import { ROLES, type Role } from '../store/audit-log.ts';
import type { Tokens } from '../store/tokens.ts';
import { badRequest, notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, resource, writeRequest } from './resources.ts';
import { refuseUnknownFields } from './unknown-fields.ts';

/** /tokens, beyond Kong: the tokens of this API. A token itself is shown once, in the answer that makes it. */
export function tokenRoutes(app: FastifyInstance, tokens: Tokens): void {
  resource(
    app,
    '/tokens',
    {
      GET: async () => ({ data: await tokens.list(), next: null }),
      POST: async (request, reply) => {
        const { role, name = null, ...unknown } = entityOf(request.body) as { role?: Role; name?: string | null };
        refuseUnknownFields(unknown, ['role', 'name']);
        if (!ROLES.includes(role as Role)) throw badRequest(`role must be one of ${ROLES.join(', ')}`);
        if (name !== null && (typeof name !== 'string' || !/^[^\p{C}]{1,100}$/u.test(name))) {
          throw badRequest('name must be a text of 1 to 100 characters');
        }
        reply.code(201);
        return tokens.create(role as Role, name, request.actor, writeRequest(request, 201));
      },
    },
    { role: 'admin' },
  );
  resource(
    app,
    '/tokens/:id',
    {
      DELETE: async (request, reply) => {
        if (!(await tokens.delete(pathParameter(request, 'id'), request.actor, writeRequest(request, 204))))
          throw notFound();
        return reply.code(204).send();
      },
    },
    { role: 'admin' },
  );
}
