import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Resolved } from '../cache/resolver.ts';
import type { ByteBudget } from '../limits/byte-budget.ts';
import type { UnreadAnswers } from '../limits/unread-answers.ts';
import {
  type Content,
  contentOf,
  errorBody,
  JSON_TYPE,
  sendContent,
  sendError,
  withRequestId,
} from '../server/answer.ts';
import { entityTag, matchesTag } from '../server/entity-tag.ts';
import { readJson, requireJson } from '../server/request-body.ts';
import type { Call, Route } from '../server/route.ts';
import { membersOf, refuseUnknown } from '../server/unknown-names.ts';
import type { Door } from './door.ts';

const BYTES_TYPE = 'application/octet-stream';
const MOST_REFERENCES = 1000;

/** What GET /v1/resolve answers (specification.md §6). */
export interface ResolvedBody {
  reference: string;
  value: string;
  encoding?: 'base64';
  state: Resolved['state'];
  version: Resolved['version'];
  vault: string;
  /** ISO 8601. */
  fetched_at: string;
  /** ISO 8601; null where the value never expires. */
  expires_at: string | null;
  /** Null before there is a configuration. */
  config_version: number | null;
}

export function resolvedBody(resolved: Resolved, configVersion: number | null): ResolvedBody {
  return {
    reference: resolved.reference,
    value: resolved.value,
    ...(resolved.encoding && { encoding: resolved.encoding }),
    state: resolved.state,
    version: { id: resolved.version.id, stages: resolved.version.stages },
    vault: resolved.vault,
    fetched_at: new Date(resolved.fetchedAt).toISOString(),
    expires_at: resolved.expiresAt === null ? null : new Date(resolved.expiresAt).toISOString(),
    config_version: configVersion,
  };
}

/** GET and POST /v1/resolve: one reference, or many. */
export function resolveRoute(door: Door, bodies: ByteBudget, unread: UnreadAnswers): Route {
  const answer = (resolved: Resolved) => answerOf(door, resolved);
  return {
    door: '/v1/resolve',
    methods: ['GET', 'POST'],
    sendError: (response, error) => sendError(response, error, referenceIn(response.req.url)),
    plainLookup(_path, query) {
      const reference = query.size === 1 ? referenceOf(query) : undefined;
      return reference === undefined ? null : { reference, answer };
    },
    handle: (call) =>
      call.request.method === 'GET' ? resolveOne(door, call) : resolveMany(door, call, bodies, unread),
  };
}

/** ?ref=REF[&refresh=true][&raw=true]. A value in memory is answered without waiting for anything. */
function resolveOne(door: Door, { client, query, request, response, begun }: Call): void | Promise<void> {
  const reference = singleReference(query);
  const refresh = booleanParameter(query, 'refresh');
  const raw = booleanParameter(query, 'raw');
  const answer = (resolved: Resolved) => {
    const etag = raw ? rawTag(resolved) : entityTag(resolved);
    if (matchesTag(request.headers['if-none-match'], etag)) {
      response.writeHead(304, withRequestId({ etag, 'cache-control': 'no-store' })).end();
      return;
    }
    sendContent(response, raw ? bytesOf(resolved, etag) : answerOf(door, resolved));
  };
  const result = begun ?? door.lookups.one(client, reference, { refresh });
  return result instanceof Promise ? result.then(answer) : answer(result);
}

function answerOf(door: Door, resolved: Resolved): Content {
  const body = JSON.stringify(resolvedBody(resolved, door.configVersion()));
  return contentOf(200, JSON_TYPE, body, { etag: entityTag(resolved) });
}

/** The value alone: the bytes of a binary secret, the UTF-8 of a text. */
function bytesOf({ value, encoding }: Resolved, etag: string): Content {
  return contentOf(200, BYTES_TYPE, Buffer.from(value, encoding ?? 'utf8'), { etag });
}

/** Another form of the same is another entity (RFC 9110 §8.8.3). */
function rawTag(resolved: Resolved): string {
  return entityTag(resolved).replace(/"$/, '-raw"');
}

/** {"references":[…],"refresh"?:true}: every reference's value or error, in the order asked for. */
async function resolveMany(
  door: Door,
  { client, request, response, query }: Call,
  bodies: ByteBudget,
  unread: UnreadAnswers,
): Promise<void> {
  refuseUnknown(query, []);
  requireJson(request);
  const body = await readJson(request, bodies);
  const { references, refresh = false } = membersOf(body, ['references', 'refresh']);
  if (!Array.isArray(references) || typeof refresh !== 'boolean') {
    throw new VaultplaneError('bad_request', 'the body must have the form {"references":["{vault://…}", …]}');
  }
  if (references.length > MOST_REFERENCES) {
    throw new VaultplaneError('too_large', `at most ${MOST_REFERENCES} references can be asked for at once`);
  }
  const results = await door.lookups.many(client, references as string[], { refresh });
  const configVersion = door.configVersion();
  await unread.send(response, client, JSON_TYPE, results, () =>
    JSON.stringify({
      results: results.map((result, index) =>
        result instanceof VaultplaneError
          ? { reference: references[index], error: errorBody(result) }
          : resolvedBody(result, configVersion),
      ),
    }),
  );
}

/** The reference that a query asks for; undefined where it does not ask for exactly one. */
function referenceOf(query: URLSearchParams): string | undefined {
  const references = query.getAll('ref');
  return references.length === 1 ? references[0] : undefined;
}

function referenceIn(url = ''): string | undefined {
  const at = url.indexOf('?');
  return at < 0 ? undefined : referenceOf(new URLSearchParams(url.slice(at + 1)));
}

function singleReference(query: URLSearchParams): string {
  refuseUnknown(query, ['ref', 'refresh', 'raw']);
  const reference = referenceOf(query);
  if (reference === undefined) throw new VaultplaneError('bad_request', 'the query must have one ref, percent-encoded');
  return reference;
}

function booleanParameter(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value !== null && value !== 'true' && value !== 'false') {
    throw new VaultplaneError('bad_request', `${name} must be true or false`);
  }
  return value === 'true';
}
