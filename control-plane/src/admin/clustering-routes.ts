import type { FastifyInstance } from 'fastify';
import type { Fleet } from '../cluster/fleet.ts';
import type { Publisher } from '../cluster/publisher.ts';
import { resource } from './resources.ts';

/** /clustering/…: the data planes, in Kong's shape and ours (CONTRACT.md §5). */
export function clusteringRoutes(app: FastifyInstance, fleet: Fleet, publisher: Publisher): void {
  resource(app, '/clustering/data-planes', {
    GET: async () => ({ data: await fleet.dataPlanes(), next: null }),
  });
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
