import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference, secondReading } from '@vaultplane/model/references/reference.ts';
import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { ByteBudget } from '../limits/byte-budget.ts';
import { sendError, sendJson } from '../server/answer.ts';
import { readJson, requireJson } from '../server/request-body.ts';
import type { Route } from '../server/route.ts';
import { membersOf, refuseUnknown } from '../server/unknown-names.ts';
import type { Door } from './door.ts';

/** The calls of a refresh of more than one secret are spread over this long. */
const SPREAD_MS = 3000;
/** Each costs calls to a vault, so nobody may ask for as many as they like. */
const LIMIT = { atOnce: 10, everyMs: 5000 };

/**
 * POST /v1/refresh {"of"?: "PREFIX" or "PREFIX/PATH"}: fetches anew what is held of all vaults, of one, or of one secret
 * named as in a reference. Answers when that is done: {"asked","refreshed","changed","failed"}, numbers of secrets. Not for
 * whoever has a policy: it reaches what others hold.
 */
export function refreshRoute(door: Door, bodies: ByteBudget): Route {
  const limit = new RateLimit({ clock: door.clock, ...LIMIT });
  return {
    door: '/v1/refresh',
    methods: ['POST'],
    sendError,
    async handle({ request, response, client, query }) {
      if (client.policy) {
        door.refusals.add('policy', { client: client.name, door: '/v1/refresh' });
        throw new VaultplaneError('bad_token', `the policy ${client.name} of this token allows no such refresh`);
      }
      refuseUnknown(query, []);
      requireJson(request);
      const wanted = wantedOf(await readJson(request, bodies));
      const wait = limit.take();
      if (wait > 0) {
        throw new VaultplaneError('too_many', `too many refreshes; try again in ${wait} s`, {
          retryAfterSeconds: wait,
        });
      }
      sendJson(response, 200, await door.resolver.refresh(wanted));
    },
  };
}

function wantedOf(body: unknown): { vault?: string; paths?: string[]; spreadMs: number } {
  const { of } = membersOf(body, ['of']);
  if (of !== undefined && typeof of !== 'string') {
    throw new VaultplaneError('bad_request', 'the body must have the form {"of":"PREFIX"} or {"of":"PREFIX/PATH"}');
  }
  if (of === undefined) return { spreadMs: SPREAD_MS };
  if (!/\/[^/]/.test(of)) return { vault: of.replace(/\/$/, ''), spreadMs: SPREAD_MS };
  const reference = parseReference(`{vault://${of}}`);
  const second = secondReading(reference);
  return { vault: reference.vault, paths: [reference.path, ...(second ? [second.path] : [])], spreadMs: 0 };
}
