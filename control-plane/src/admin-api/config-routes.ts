import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { masked } from '@vaultplane/model/vaults/sensitive.ts';
import { doubtsOf } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { mapInTurns, nextTurn } from '@vaultplane/platform/time/next-turn.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { applyDocument, diffDocument, diffVaults } from '../declarative/apply.ts';
import { documentOf, printYaml, readDocument } from '../declarative/config-document.ts';
import { diffVault } from '../declarative/vault-diff.ts';
import type { ConfigStore } from '../store/config-store.ts';
import type { CurrentVaults } from './current-vaults.ts';
import { badRequest, notFound } from './kong-error.ts';
import { numericOffset, pageAnswer, sizeOf } from './paging.ts';
import { Form, YamlText } from './request-body.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';
import { readYaml } from './yaml-reader.ts';

/** /config and its versions: the whole configuration as one document. */
export function configRoutes(app: FastifyInstance, store: ConfigStore, current: CurrentVaults): void {
  resource(
    app,
    '/config',
    {
      GET: async (request, reply) => {
        const document = await documentOf(await current.all());
        if (!/\byaml\b/.test(request.headers.accept ?? '')) return document;
        reply.type('application/yaml; charset=utf-8');
        return printYaml(document);
      },
      POST: async (request, reply) => {
        const body = await documentBody(request);
        await nextTurn();
        const wanted = await readDocument(body);
        const { result, version, changed } = await store.change(request.actor, writeRequest(request, 201), (edit) =>
          applyDocument(edit, wanted),
        );
        reply.code(201);
        const shown = await mapInTurns(result, masked);
        const vaults = Object.fromEntries(shown.map((vault) => [vault.id, vault]));
        const warnings = warningsOf(shown);
        await nextTurn();
        return { vaults, config_version: version, changed, ...(warnings.length > 0 && { warnings }) };
      },
    },
    { document: true },
  );
  // What a document would change. An editor's: whoever may ask it with a sensitive value learns whether that is the one.
  resource(
    app,
    '/config/diff',
    {
      POST: async (request) => {
        const body = await documentBody(request);
        await nextTurn();
        const changes = await diffDocument(await current.all(), await readDocument(body));
        await nextTurn();
        return { changes };
      },
    },
    { role: 'editor', reads: true, document: true },
  );

  resource(app, '/config/versions', {
    GET: async (request) => {
      const query = queryOf(request);
      const size = sizeOf(query);
      const rows = await store.versions(size + 1, numericOffset(query));
      return pageAnswer('/config/versions', query, size, rows, ({ version }) => String(version));
    },
  });
  resource(app, '/config/versions/:version', {
    GET: async (request) => {
      const version = versionOf(request);
      const [facts, vaults] = [await store.version(version), await store.vaultsAt(version)];
      // Before the first version there was nothing, by nobody.
      if (!vaults || (!facts && version > 0)) throw notFound();
      const { made_at = null, actor = null, action = null, changes = [] } = facts ?? {};
      const diffs = await mapInTurns(changes, ({ before, after }) => diffVault(before, after));
      const config = await documentOf(vaults);
      await nextTurn();
      return { version, made_at, actor, action, changes: diffs, config };
    },
  });
  // What a rollback to it would change now.
  resource(app, '/config/versions/:version/diff', {
    GET: async (request) => {
      const version = versionOf(request);
      const vaults = await store.vaultsAt(version);
      if (!vaults) throw notFound();
      const changes = await diffVaults((await store.load()).vaults, vaults);
      await nextTurn();
      return { version, changes };
    },
  });
  resource(app, '/config/versions/:version/rollback', {
    POST: async (request) => {
      const to = versionOf(request);
      const { version, changed } = await store.changeAlone(
        request.actor,
        writeRequest(request, 200),
        async (edit, transaction) => {
          const vaults = await store.vaultsAt(to, transaction);
          if (!vaults) throw notFound();
          await edit.replaceAll(vaults.map((vault) => ({ ...vault, updated_at: edit.nowSeconds })));
        },
      );
      return { rolled_back_to: to, config_version: version, changed };
    },
  });
}

/** What may be wrong with vaults, each with its vault. */
function warningsOf(vaults: readonly VaultEntity[]): string[] {
  return vaults.flatMap(({ prefix, name, config }) =>
    doubtsOf(VAULT_TYPES.get(name), config).map((doubt) => `vault ${prefix}: ${doubt}`),
  );
}

function versionOf(request: FastifyRequest): number {
  const text = pathParameter(request, 'version');
  if (!/^\d{1,15}$/.test(text)) throw notFound();
  return Number(text);
}

/** The document itself, or Kong's forms of handing it over: a member or a form field `config` with its text. */
async function documentBody({ body }: FastifyRequest): Promise<unknown> {
  const text =
    body instanceof YamlText
      ? body.text
      : body instanceof Form
        ? body.get('config')
        : (body as { config?: unknown } | undefined)?.config;
  if (typeof text === 'string') return readYaml(text);
  if (body === undefined || body instanceof Form) throw badRequest('expected a declarative configuration');
  return body;
}
