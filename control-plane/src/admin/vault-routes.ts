import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { masked } from '@vaultplane/shared/vaults/sensitive.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ConfigEdit } from '../store/config-edit.ts';
import type { ConfigStore } from '../store/config-store.ts';
import type { CurrentVaults } from './current-vaults.ts';
import { notFound } from './kong-error.ts';
import { pageAnswer, pageQuery } from './paging.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';
import { createVault, expectedFor, keyOf, patchVault, putVault } from './vault-edits.ts';

/** /vaults, as Kong's (CONTRACT.md §5). */
export function vaultRoutes(app: FastifyInstance, store: ConfigStore, current: CurrentVaults): void {
  const key = (request: FastifyRequest) => pathParameter(request, 'key');
  const make = async (request: FastifyRequest, edit: (edit: ConfigEdit) => Promise<VaultEntity>) =>
    masked((await store.change(request.actor, writeRequest(request, 201), edit)).result);
  const change = async (request: FastifyRequest, edit: (edit: ConfigEdit, key: string) => Promise<VaultEntity>) => {
    const which = key(request);
    const expects = expectedFor(which);
    const made = (edited: ConfigEdit) => edit(edited, which);
    return masked((await store.change(request.actor, writeRequest(request, 200), made, { expects })).result);
  };

  resource(app, '/vaults', {
    GET: async (request) => {
      const query = queryOf(request);
      const page = pageQuery(query);
      const rows = await current.page({ ...page, size: page.size + 1 });
      return pageAnswer('/vaults', query, page.size, rows.map(masked), ({ id }) => id);
    },
    POST: async (request, reply) => {
      reply.code(201);
      return make(request, (edit) => createVault(edit, request.body));
    },
  });

  resource(app, '/vaults/:key', {
    GET: async (request) => {
      const vault = await current.find(keyOf(key(request)));
      if (!vault) throw notFound();
      return masked(vault);
    },
    PUT: (request) => change(request, (edit, which) => putVault(edit, which, request.body)),
    PATCH: (request) => change(request, (edit, which) => patchVault(edit, which, request.body)),
    DELETE: async (request, reply) => {
      const which = key(request);
      const remove = async (edit: ConfigEdit) => {
        const vault = await edit.find(keyOf(which));
        if (vault) await edit.delete(vault.id);
      };
      await store.change(request.actor, writeRequest(request, 204), remove, { expects: expectedFor(which) });
      return reply.code(204).send();
    },
  });
}
