import { awsRoute } from '../endpoints/aws-door.ts';
import type { Door } from '../endpoints/door.ts';
import { drillRoute } from '../endpoints/drill.ts';
import { providerPathRoute, providerQueryRoute } from '../endpoints/provider-door.ts';
import { refreshRoute } from '../endpoints/refresh.ts';
import { resolveRoute } from '../endpoints/resolve.ts';
import type { Watchers } from '../endpoints/watch.ts';
import { ByteBudget } from '../limits/byte-budget.ts';
import { UnreadAnswers } from '../limits/unread-answers.ts';
import { sendErrorText, sendText } from './answer.ts';
import { Routes } from './route.ts';

/** The only path that needs no token. */
export const PING = '/ping';
/** Bodies of all calls together. */
const MOST_BODY_BYTES = 64 * 1024 * 1024;

/** Every path of the application API (specification.md §6). A path of ours below /v1/ hides the secret of that name there. */
export function apiRoutes(door: Door, watchers: Watchers): Routes {
  const bodies = new ByteBudget(MOST_BODY_BYTES);
  const unread = new UnreadAnswers(door.clock, door.refusals);
  const aws = awsRoute(door, bodies, unread);
  return new Routes()
    .add(PING, {
      door: PING,
      methods: ['GET'],
      sendError: sendErrorText,
      handle: ({ response }) => sendText(response, 200, 'healthy'),
    })
    .add('/v1/resolve', resolveRoute(door, bodies, unread))
    .add('/v1/watch', watchers.route)
    .add('/v1/refresh', refreshRoute(door, bodies))
    .add('/v1/drill', drillRoute(door, bodies))
    .add('/secretsmanager/get', providerQueryRoute(door))
    .add('/v1/*', providerPathRoute(door))
    .add('/', aws)
    .add('/aws/*', aws);
}
