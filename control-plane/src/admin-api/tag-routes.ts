import type { FastifyInstance } from 'fastify';
import type { CurrentVaults } from './current-vaults.ts';
import { numericOffset, pageAnswer, sizeOf } from './paging.ts';
import { pathParameter, queryOf, resource } from './resources.ts';

/** /tags and /tags/{tag}: which entities have which tags (Kong: api/routes/tags.lua). */
export function tagRoutes(app: FastifyInstance, current: CurrentVaults): void {
  const page = async (path: string, query: ReturnType<typeof queryOf>, wanted?: string) => {
    const size = sizeOf(query);
    const start = numericOffset(query) ?? 0;
    const rows = (await current.all())
      .flatMap(({ id, tags }) => (tags ?? []).map((tag) => ({ entity_name: 'vaults', entity_id: id, tag })))
      .filter(({ tag }) => wanted === undefined || tag === wanted)
      .sort((a, b) => (a.tag === b.tag ? (a.entity_id < b.entity_id ? -1 : 1) : a.tag < b.tag ? -1 : 1))
      .slice(start, start + size + 1);
    return pageAnswer(path, query, size, rows, () => String(start + size));
  };
  resource(app, '/tags', { GET: (request) => page('/tags', queryOf(request)) });
  resource(app, '/tags/:tag', {
    GET: (request) => {
      const tag = pathParameter(request, 'tag');
      return page(`/tags/${encodeURIComponent(tag)}`, queryOf(request), tag);
    },
  });
}
