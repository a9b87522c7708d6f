import type { FastifyInstance } from 'fastify';
import { PROGRAM_VERSION } from '../../version.ts';
import { ABSENT_ENTITIES } from '../empty-list-routes.ts';
import { type Method, type Resource, resource, resourcesOf } from '../resources.ts';
import { EMPTY_LIST, OPERATIONS, type Operation } from './operations.ts';
import { componentSchemas, ref, type Schema } from './schemas.ts';

/** /openapi.json: the API as OpenAPI 3.1, made of the paths that there are and the schemas that vaults are checked against. */
export function openApiRoute(app: FastifyInstance): void {
  let document: ReturnType<typeof openApiDocument> | undefined;
  resource(app, '/openapi.json', {
    GET: () => {
      document ??= openApiDocument(resourcesOf(app));
      return document;
    },
  });
}

export function openApiDocument(resources: readonly Resource[]) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'vaultplane Admin API',
      version: PROGRAM_VERSION,
      description:
        "Kong's Admin API for what this project has, and more of its own. A query parameter that a call does not take is told of: by X-Vaultplane-Warning and `warnings` on paths of Kong's, by status 400 on others.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ KongAdminToken: [] }, { Bearer: [] }, {}],
    paths: Object.fromEntries(resources.map((entry) => [templateOf(entry.url), pathItem(entry)])),
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        KongAdminToken: { type: 'apiKey', in: 'header', name: 'Kong-Admin-Token' },
        Bearer: { type: 'http', scheme: 'bearer' },
      },
      responses: {
        Error: { description: 'It was refused, or failed.', content: { 'application/json': { schema: ref('Error') } } },
      },
    },
  };
}

/** What is said of a method of a path; undefined where nothing is. */
export function operationOf(method: Method, url: string): Operation | undefined {
  return ABSENT_ENTITIES.includes(url.slice(1)) ? EMPTY_LIST : OPERATIONS[`${method} ${url}`];
}

/** `/vaults/:key` as OpenAPI has it: `/vaults/{key}`. */
function templateOf(url: string): string {
  return url.replaceAll(/:(\w+)/g, '{$1}');
}

function pathItem({ url, methods, roles }: Resource) {
  const parameters = [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
  return {
    ...(parameters.length > 0 && { parameters }),
    ...Object.fromEntries(
      methods.map((method) => [method.toLowerCase(), operationObject(url, method, roles[method] ?? 'reader')]),
    ),
  };
}

function operationObject(url: string, method: Method, role: string) {
  const operation: Operation = operationOf(method, url) ?? { summary: `${method} ${url}`, answers: [200, {}] };
  const { summary, query = {}, body, yaml, stream, answers } = operation;
  const [status, schema] = answers;
  return {
    operationId: [method.toLowerCase(), ...url.split(/\W+/).filter((word) => word !== '')].join('_'),
    summary,
    description: `Needs the role ${role}.`,
    ...(Object.keys(query).length > 0 && {
      parameters: Object.entries(query).map(([name, parameter]) => ({ name, in: 'query', schema: parameter })),
    }),
    ...(body && { requestBody: { content: contents(body, yaml) } }),
    responses: {
      [status]: {
        description: 'It is done.',
        ...(schema && { content: { [stream ? 'text/event-stream' : 'application/json']: { schema } } }),
      },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function contents(schema: Schema, yaml: true | undefined) {
  const types = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
  return Object.fromEntries([...types, ...(yaml ? ['application/yaml'] : [])].map((type) => [type, { schema }]));
}
