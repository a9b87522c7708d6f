import type { FastifyInstance } from 'fastify';
import { pageQuery } from './paging.ts';
import { queryOf, resource } from './resources.ts';

/** Kong's entities that this project has not, and whose lists decK reads all the same (test/vectors/deck.json). */
export const ABSENT_ENTITIES = [
  ...['acls', 'basic-auths', 'ca_certificates', 'certificates', 'consumer_groups', 'consumers', 'degraphql_routes'],
  ...['filter-chains', 'hmac-auths', 'jwts', 'key-auths', 'key-sets', 'keys', 'mtls-auths', 'oauth2', 'partials'],
  ...['plugins', 'routes', 'services', 'snis', 'upstreams', 'cloned-plugins', 'custom-plugins'],
];

export function emptyListRoutes(app: FastifyInstance): void {
  for (const name of ABSENT_ENTITIES) {
    resource(app, `/${name}`, {
      GET: (request) => {
        pageQuery(queryOf(request));
        return { data: [], next: null };
      },
    });
  }
}
