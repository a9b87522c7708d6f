import type { FastifyInstance } from 'fastify';
import { auditRequests } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { numericOffset, pageAnswer, sizeOf } from './paging.ts';
import { queryOf, resource } from './resources.ts';

/** /audit/requests: every write, the newest first. */
export function auditRoutes(app: FastifyInstance, database: Database): void {
  resource(
    app,
    '/audit/requests',
    {
      GET: async (request) => {
        const query = queryOf(request);
        const size = sizeOf(query);
        const rows = await auditRequests(database, size + 1, numericOffset(query));
        return pageAnswer('/audit/requests', query, size, rows, ({ id }) => String(id));
      },
    },
    { role: 'admin' },
  );
}
