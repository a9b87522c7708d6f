import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference, secondReading } from '@vaultplane/model/references/reference.ts';
import { UUID } from '@vaultplane/model/vaults/validation.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { FastifyInstance } from 'fastify';
import type { FleetCommands } from '../fleet/fleet-commands.ts';
import type { ConfigStore } from '../store/config-store.ts';
import { invalidOptions, KongError, notFound } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, resource, writeRequest } from './resources.ts';
import { unknownField } from './unknown-fields.ts';
import { keyOf } from './vault-edits.ts';

const DEFAULT_SPREAD_S = 5;
const LONGEST_SPREAD_S = 600;
const FIELDS = ['path', 'spread_s'];

/** POST /vaults/{p}/refresh, and what became of it (specification.md §5). */
export function refreshRoutes(
  app: FastifyInstance,
  { store, commands, clock }: { store: ConfigStore; commands: FleetCommands; clock: Clock },
): void {
  const limit = new RateLimit({ clock, atOnce: 20, everyMs: 1000 });

  resource(app, '/vaults/:key/refresh', {
    POST: async (request, reply) => {
      const vault = await prefixOf(store, pathParameter(request, 'key'));
      const { path, spreadSeconds } = bodyOf(entityOf(request.body));
      const paths = path === undefined ? undefined : pathsOf(vault, path);
      const wait = limit.take();
      if (wait > 0) throw new KongError(429, { message: 'Too many refreshes' }, { 'retry-after': String(wait) });
      const spreadMs = Math.round(spreadSeconds * 1000);
      const id = await commands.refresh(request.actor, writeRequest(request, 202), { vault, path, paths, spreadMs });
      reply.code(202).header('location', `/clustering/commands/${id}`);
      return commands.progress(id);
    },
  });

  resource(app, '/clustering/commands/:id', {
    GET: async (request) => {
      const id = pathParameter(request, 'id');
      const progress = UUID.test(id) ? await commands.progress(id) : undefined;
      if (!progress) throw notFound();
      return progress;
    },
  });
}

/** An entity's prefix; or the name of a vault that data planes' own settings configure. */
async function prefixOf(store: ConfigStore, key: string): Promise<string> {
  if (VAULT_TYPES.has(key)) return key;
  const vault = await store.find(keyOf(key));
  if (!vault) throw notFound();
  return vault.prefix;
}

function bodyOf(given: Record<string, unknown>): { path: string | undefined; spreadSeconds: number } {
  const fields: Record<string, string> = {};
  for (const name of Object.keys(given)) if (!FIELDS.includes(name)) fields[name] = unknownField(name, FIELDS);
  const { path, spread_s: spread = DEFAULT_SPREAD_S } = given;
  // A form has text only.
  const spreadSeconds = typeof spread === 'string' && spread.trim() !== '' ? Number(spread) : spread;
  if (path !== undefined && (typeof path !== 'string' || path === ''))
    fields.path = 'must be a secret, as in a reference';
  if (typeof spreadSeconds !== 'number' || !(spreadSeconds >= 0 && spreadSeconds <= LONGEST_SPREAD_S)) {
    fields.spread_s = `must be seconds from 0 to ${LONGEST_SPREAD_S}`;
  }
  if (Object.keys(fields).length > 0) throw invalidOptions(fields);
  return { path: path as string | undefined, spreadSeconds: spreadSeconds as number };
}

/** What secrets the path of a reference may mean (specification.md §3). @throws KongError */
function pathsOf(vault: string, path: string): string[] {
  try {
    const reference = parseReference(`{vault://${vault}/${path}}`);
    const second = secondReading(reference);
    return second ? [reference.path, second.path] : [reference.path];
  } catch (error) {
    if (!(error instanceof VaultplaneError)) throw error;
    throw invalidOptions({ path: error.message });
  }
}
