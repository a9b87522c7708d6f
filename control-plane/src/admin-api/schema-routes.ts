import { VAULT_PREFIX } from '@vaultplane/model/references/reference.ts';
import { checkVault } from '@vaultplane/model/vaults/validation.ts';
import type { ConfigField, VaultType } from '@vaultplane/model/vaults/vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { FastifyInstance } from 'fastify';
import { notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, resource } from './resources.ts';

/** /schemas/vaults…: what a vault may be, in the form that Kong gives its schemas (decK reads defaults from it). */
export function schemaRoutes(app: FastifyInstance): void {
  resource(app, '/schemas/vaults', { GET: () => ENTITY_SCHEMA });
  resource(
    app,
    '/schemas/vaults/validate',
    {
      POST: (request) => {
        checkVault(entityOf(request.body));
        return { message: 'schema validation successful' };
      },
    },
    { role: 'reader', reads: true },
  );
  resource(app, '/schemas/vaults/:name', {
    GET: (request) => {
      const name = pathParameter(request, 'name');
      const type = VAULT_TYPES.get(name);
      if (!type) throw notFound(`No vault named '${name.slice(0, 200)}'`);
      return schemaOf(type);
    },
  });
}

const ENTITY_SCHEMA = {
  fields: [
    { id: { type: 'string', uuid: true, auto: true } },
    { created_at: { type: 'integer', timestamp: true, auto: true } },
    { updated_at: { type: 'integer', timestamp: true, auto: true } },
    {
      prefix: {
        type: 'string',
        required: true,
        unique: true,
        match: VAULT_PREFIX.source,
        not_one_of: RESERVED_PREFIXES,
      },
    },
    { name: { type: 'string', required: true } },
    { description: { type: 'string' } },
    { config: { type: 'record', abstract: true } },
    { tags: { type: 'set', elements: { type: 'string', required: true } } },
  ],
};

function schemaOf(type: VaultType) {
  return { fields: [{ config: { type: 'record', required: true, fields: type.fields.map(fieldSchema) } }] };
}

function fieldSchema(field: ConfigField) {
  const text = { ...(field.match && { match: field.match.source }), ...(field.oneOf && { one_of: field.oneOf }) };
  return {
    [field.name]: {
      type: field.whole ? 'integer' : field.type,
      description: field.description,
      ...(field.required && { required: true }),
      ...(field.default !== undefined && { default: field.default }),
      ...(field.between && { between: field.between }),
      // Ours: whether a change of it makes another secret of every reference.
      ...(field.identity && { identity: true }),
      // Ours: whether it decides who receives the vault's credentials.
      ...(field.destination && { destination: true }),
      ...(field.sensitive && { encrypted: true, referenceable: true }),
      ...(field.type === 'array' ? { elements: { type: 'string', ...text } } : text),
    },
  };
}
