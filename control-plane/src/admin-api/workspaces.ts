import type { FastifyInstance } from 'fastify';
import { DEFAULT_WORKSPACE } from '../declarative/document-scope.ts';
import type { Publisher } from '../fleet/publisher.ts';
import { notFound } from './kong-error.ts';
import { pageQuery } from './paging.ts';
import { pathParameter, queryOf, resource } from './resources.ts';

const PREFIX = `/${DEFAULT_WORKSPACE}`;

/**
 * A request's URL without the workspace in front of it, as Kong has it (`/default/vaults`): whatever comes there is the same
 * as without. There is no other workspace, and so no path of one.
 */
export function withoutWorkspace(url: string): string {
  const rest = url.startsWith(PREFIX) ? url.slice(PREFIX.length) : undefined;
  if (rest === undefined || !/^(?:[/?]|$)/.test(rest)) return url;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** /workspaces: the one that there is, so that `deck -w default` finds it. Source: Kong's Admin API. */
export function workspaceRoutes(app: FastifyInstance, publisher: Publisher): void {
  // It is there for as long as its database: that is what its id says.
  const workspace = () => ({
    id: publisher.position.timeline,
    name: DEFAULT_WORKSPACE,
    comment: null,
    config: {},
    meta: {},
    created_at: 0,
    updated_at: 0,
  });
  resource(app, '/workspaces', {
    GET: (request) => {
      pageQuery(queryOf(request));
      return { data: [workspace()], next: null };
    },
  });
  resource(app, '/workspaces/:name', {
    GET: (request) => {
      const found = workspace();
      if (![found.name, found.id].includes(pathParameter(request, 'name'))) throw notFound();
      return found;
    },
  });
}
