import { type ExportPublicKey, publicKeyPem } from '@vaultplane/shared/export-key.ts';
import type { FastifyInstance } from 'fastify';
import type { Fleet } from '../cluster/fleet.ts';
import type { Publisher } from '../cluster/publisher.ts';
import type { FleetNodes } from '../store/fleet-nodes.ts';
import { notFound } from './kong-error.ts';
import { pathParameter, resource, writeRequest } from './resources.ts';

/** /clustering/…: the data planes, in Kong's shape and ours (CONTRACT.md §5). */
export function clusteringRoutes(
  app: FastifyInstance,
  {
    fleet,
    nodes,
    publisher,
    exportKey,
  }: { fleet: Fleet; nodes: FleetNodes; publisher: Publisher; exportKey: ExportPublicKey | undefined },
): void {
  resource(app, '/clustering/data-planes', {
    GET: async () => ({ data: await fleet.dataPlanes(), next: null }),
  });
  resource(app, '/clustering/export-key', {
    GET: async () => {
      if (!exportKey) throw notFound();
      return { public_key: publicKeyPem(exportKey), sha256: exportKey.fingerprint };
    },
  });
  resource(
    app,
    '/clustering/data-planes/:id',
    {
      DELETE: async (request, reply) => {
        const id = pathParameter(request, 'id');
        fleet.forget(id);
        if (!(await nodes.removeDataPlane(id, request.actor, writeRequest(request, 204)))) throw notFound();
        return reply.code(204).send();
      },
    },
    { role: 'admin' },
  );
  resource(app, '/clustering/status', {
    GET: async () => {
      // Kong's form is one member a data plane, by its id.
      const dataPlanes = await fleet.statuses();
      return {
        ...Object.fromEntries(
          dataPlanes.map(({ id, config_hash, hostname, ip, last_seen }) => [
            id,
            { config_hash, hostname, ip, last_seen },
          ]),
        ),
        config: publisher.position,
        connected: dataPlanes.filter(({ connected }) => connected).length,
      };
    },
  });
}
