import type { FastifyInstance } from 'fastify';
import type { Database } from '../store/database.ts';
import { numericOffset, pageAnswer, sizeOf } from './paging.ts';
import { pathParameter, queryOf, resource } from './resources.ts';

interface Tagged {
  entity_name: string;
  entity_id: string;
  tag: string;
}

/** /tags and /tags/{tag}: which entities have which tags (Kong: api/routes/tags.lua). */
export function tagRoutes(app: FastifyInstance, database: Database): void {
  const page = async (path: string, query: ReturnType<typeof queryOf>, tag: string | null) => {
    const size = sizeOf(query);
    const start = numericOffset(query) ?? 0;
    const rows = await database.query<Tagged>(
      `select 'vaults' as entity_name, id as entity_id, tag from vaults, unnest(tags) as tag
       where $1::text is null or tag = $1 order by tag, id limit $2 offset $3`,
      [tag, size + 1, start],
    );
    return pageAnswer(path, query, size, rows, () => String(start + size));
  };
  resource(app, '/tags', { GET: (request) => page('/tags', queryOf(request), null) });
  resource(app, '/tags/:tag', {
    GET: (request) => {
      const tag = pathParameter(request, 'tag');
      return page(`/tags/${encodeURIComponent(tag)}`, queryOf(request), tag);
    },
  });
}
