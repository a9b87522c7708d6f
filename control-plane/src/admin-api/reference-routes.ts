import type { FastifyInstance } from 'fastify';
import type { ReferenceRegistry } from '../fleet/reference-registry.ts';
import { invalidOffset } from './kong-error.ts';
import { pageAnswer, parameter, type Query, sizeOf } from './paging.ts';
import { queryOf, resource } from './resources.ts';

const PATH = '/clustering/references';

/**
 * /clustering/references: for each secret how many data planes serve which version of it in which state, and how old the
 * oldest is (specification.md §5). ?vault=PREFIX, ?reference=TEXT, ?size, ?offset.
 */
export function referenceRoutes(app: FastifyInstance, registry: ReferenceRegistry): void {
  resource(app, PATH, {
    GET: async (request) => {
      const query = queryOf(request);
      const size = sizeOf(query);
      const after = afterOf(query);
      const wanted = parameter(query, 'reference');
      const { references, data_planes } = await registry.references(parameter(query, 'vault'));
      const rows = references.filter(
        (row) => (after === undefined || keyOf(row) > after) && (wanted === undefined || row.reference === wanted),
      );
      const page = pageAnswer(PATH, query, size, rows.slice(0, size + 1), keyOf, ['vault', 'reference']);
      return { ...page, data_planes };
    },
  });
}

// A vault's prefix has no space in it, and a space comes before whatever else it may have.
function keyOf({ vault, reference }: { vault: string; reference: string }): string {
  return `${vault} ${reference}`;
}

function afterOf(query: Query): string | undefined {
  const offset = parameter(query, 'offset');
  if (offset === undefined) return undefined;
  const key = Buffer.from(offset, 'base64url').toString('utf8');
  if (!key.includes(' ')) throw invalidOffset(offset);
  return key;
}
