import { type ExportPublicKey, publicKeyPem } from '@vaultplane/model/snapshots/export-key.ts';
import type { FastifyInstance } from 'fastify';
import type { DataPlane } from '../fleet/data-plane-facts.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { FleetNodes } from '../store/fleet-nodes.ts';
import { notFound } from './kong-error.ts';
import { pageAnswer, pageQuery } from './paging.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';

/** /clustering/…: the data planes, in Kong's shape and ours (specification.md §5). */
export function clusteringRoutes(
  app: FastifyInstance,
  {
    fleet,
    nodes,
    exportKey,
    dataPlanePurgeDelay,
  }: {
    fleet: Fleet;
    nodes: FleetNodes;
    exportKey: ExportPublicKey | undefined;
    /** Seconds for which a data plane that nobody sees is listed. */
    dataPlanePurgeDelay: number;
  },
): void {
  resource(app, '/clustering/data-planes', {
    GET: async (request) => {
      const query = queryOf(request);
      const { size, after = '' } = pageQuery(query);
      const dataPlanes = await fleet.dataPlanes();
      const rows = dataPlanes.filter(({ id }) => id > after).slice(0, size + 1);
      const shown = rows.map((row) => listed(row, dataPlanePurgeDelay, fleet.nowSeconds));
      return pageAnswer('/clustering/data-planes', query, size, shown, ({ id }) => id, []);
    },
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
    // Kong's form: one member a data plane, by its id, and nothing beside them, since scripts go over all members.
    GET: async (_request, reply) => {
      reply.header('deprecation', 'true');
      return Object.fromEntries(
        (await fleet.statuses()).map(({ id, config_hash, hostname, ip, last_seen }) => [
          id,
          { config_hash, hostname, ip, last_seen },
        ]),
      );
    },
  });
}

/**
 * A data plane with Kong's members first. Source: Kong, db/schema/entities/clustering_data_planes.lua, and its Admin API's
 * documentation.
 */
function listed(row: DataPlane, purgeDelay: number, now: number) {
  const { id, hostname, ip, version, config_hash, sync_status, last_seen, labels, cert_expires_at, ...ours } = row;
  return {
    ...{ id, hostname, ip, version, config_hash, sync_status, last_seen },
    // It is written whenever it is seen.
    updated_at: last_seen,
    /** Seconds after which it is listed no more, unless it is seen again. */
    ttl: Math.max(0, last_seen + purgeDelay - now),
    labels,
    cert_details: cert_expires_at === null ? null : { expiry_timestamp: cert_expires_at },
    cert_expires_at,
    ...ours,
  };
}
