import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Fleet } from '../fleet/fleet.ts';
import { type FleetNode, type FleetNodes, isNodeName } from '../store/fleet-nodes.ts';
import { badRequest, notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, resource, writeRequest } from './resources.ts';

const ADMIN = { PATCH: 'admin', POST: 'admin', DELETE: 'admin' } as const;

/** /nodes, beyond Kong: the data planes by who they are, and whether they may come. A reader lists, an admin changes. */
export function nodeRoutes(app: FastifyInstance, nodes: FleetNodes, fleet: Pick<Fleet, 'forget'>): void {
  const find = async (request: FastifyRequest): Promise<FleetNode> => {
    const node = await nodes.find(pathParameter(request, 'id'));
    if (!node) throw notFound();
    return node;
  };
  /** @throws KongError for one that has not joined: there is nothing of it that could be changed */
  const findEnrolled = async (request: FastifyRequest): Promise<FleetNode> => {
    const node = await find(request);
    if (node.enrolled) return node;
    throw badRequest(
      'this node has not joined (cluster_mtls = enrolled); take its certificate out of use where that was made, and remove the node',
    );
  };

  resource(app, '/nodes', { GET: async () => ({ data: await nodes.list(), next: null }) });
  resource(
    app,
    '/nodes/:id',
    {
      GET: find,
      PATCH: async (request) => {
        const { id } = await findEnrolled(request);
        await nodes.rename(id, nameOf(entityOf(request.body)), request.actor, writeRequest(request, 200));
        return find(request);
      },
      DELETE: async (request, reply) => {
        const id = pathParameter(request, 'id');
        fleet.forget(id);
        if (!(await nodes.remove(id, request.actor, writeRequest(request, 204)))) throw notFound();
        return reply.code(204).send();
      },
    },
    { role: ADMIN },
  );
  resource(
    app,
    '/nodes/:id/revoke',
    {
      POST: async (request) => {
        const { id } = await findEnrolled(request);
        await nodes.revoke(id, request.actor, writeRequest(request, 200));
        return find(request);
      },
    },
    { role: ADMIN },
  );
}

/** @throws KongError */
function nameOf(given: Record<string, unknown>): string | null {
  const { name } = given;
  if (Object.keys(given).join() !== 'name' || !isNodeName(name)) {
    throw badRequest('name, and nothing else, may be changed: a text of 1 to 100 characters, or null');
  }
  return name;
}
