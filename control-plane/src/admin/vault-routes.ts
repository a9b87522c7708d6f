import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ConfigEdit, ConfigStore } from '../store/config-store.ts';
import { notFound } from './kong-error.ts';
import { pageAnswer, pageQuery } from './paging.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';
import { createVault, keyOf, patchVault, putVault } from './vault-edits.ts';

/** /vaults, as Kong's (CONTRACT.md §5). */
export function vaultRoutes(app: FastifyInstance, store: ConfigStore): void {
  const change = async <T>(request: FastifyRequest, edit: (edit: ConfigEdit) => Promise<T>): Promise<T> =>
    (await store.change(request.actor, writeRequest(request), edit)).result;
  const key = (request: FastifyRequest) => pathParameter(request, 'key');

  resource(app, '/vaults', {
    GET: async (request) => {
      const query = queryOf(request);
      const page = pageQuery(query);
      const rows = await store.page({ ...page, size: page.size + 1 });
      return pageAnswer('/vaults', query, page.size, rows, ({ id }) => id);
    },
    POST: async (request, reply) => {
      reply.code(201);
      return change(request, (edit) => createVault(edit, request.body));
    },
  });

  resource(app, '/vaults/:key', {
    GET: async (request) => {
      const vault = await store.find(keyOf(key(request)));
      if (!vault) throw notFound();
      return vault;
    },
    PUT: (request) => change(request, (edit) => putVault(edit, key(request), request.body)),
    PATCH: (request) => change(request, (edit) => patchVault(edit, key(request), request.body)),
    DELETE: async (request, reply) => {
      await change(request, async (edit) => {
        const vault = await edit.find(keyOf(key(request)));
        if (vault) await edit.delete(vault.id);
      });
      return reply.code(204).send();
    },
  });
}
