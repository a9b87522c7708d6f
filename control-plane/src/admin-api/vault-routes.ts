import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { masked } from '@vaultplane/model/vaults/sensitive.ts';
import { doubtsOf } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConfigEdit } from '../store/config-edit.ts';
import type { ConfigStore } from '../store/config-store.ts';
import type { CurrentVaults } from './current-vaults.ts';
import { notFound } from './kong-error.ts';
import { pageAnswer, pageQuery } from './paging.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';
import { createVault, expectedFor, keyOf, patchVault, putVault } from './vault-edits.ts';

/** /vaults, as Kong's (specification.md §5). */
export function vaultRoutes(app: FastifyInstance, store: ConfigStore, current: CurrentVaults): void {
  const key = (request: FastifyRequest) => pathParameter(request, 'key');
  const change = async <T>(request: FastifyRequest, status: number, edit: (edit: ConfigEdit) => Promise<T>) => {
    // Of a POST the path names no vault.
    const expects = expectedFor(key(request));
    return (await store.change(request.actor, writeRequest(request, status), edit, expects)).result;
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
      return saved(await change(request, 201, (edit) => createVault(edit, request.body)), reply);
    },
  });

  resource(app, '/vaults/:key', {
    GET: async (request) => {
      const vault = await current.find(keyOf(key(request)));
      if (!vault) throw notFound();
      return masked(vault);
    },
    PUT: async (request, reply) =>
      saved(await change(request, 200, (edit) => putVault(edit, key(request), request.body)), reply),
    PATCH: async (request, reply) =>
      saved(await change(request, 200, (edit) => patchVault(edit, key(request), request.body)), reply),
    DELETE: async (request, reply) => {
      await change(request, 204, async (edit) => {
        const vault = await edit.find(keyOf(key(request)));
        if (vault) await edit.delete(vault.id);
      });
      return reply.code(204).send();
    },
  });
}

/**
 * A vault as it was saved, with what may be wrong with it: in `warnings`, and in the header that kubectl and others show
 * (RFC 7234, section 5.5).
 */
function saved(vault: VaultEntity, reply: FastifyReply): VaultEntity & { warnings?: string[] } {
  const warnings = doubtsOf(VAULT_TYPES.get(vault.name), vault.config);
  if (warnings.length === 0) return masked(vault);
  reply.header('warning', warnings.map((warning) => `299 - "${warning}"`).join(', '));
  return { ...masked(vault), warnings };
}
