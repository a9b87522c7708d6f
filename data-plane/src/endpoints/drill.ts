import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { RehearsalOrder, RehearsalProgress, RehearsalReport } from '../fault-injection/rehearsals.ts';
import type { ByteBudget } from '../limits/byte-budget.ts';
import { sendError, sendJson, withRequestId } from '../server/answer.ts';
import { readJson, requireJson } from '../server/request-body.ts';
import type { Route } from '../server/route.ts';
import { membersOf, refuseUnknown } from '../server/unknown-names.ts';
import type { Door } from './door.ts';

/** Whoever reads nothing is as good as gone. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** One line of the answer to POST /v1/drill. */
export type DrillLine = { progress: RehearsalProgress } | { report: RehearsalReport };

/**
 * POST /v1/drill {"outage":"cp-outage"|"<type>-outage","for_s":600,"strict"?:true}: cuts this data plane off on purpose for as
 * long as the answer is read, and for that time at most. The answer is lines of JSON: its progress every second, and in
 * the end the report. DELETE /v1/drill ends the one that goes on. Only for the token of api_token_file.
 */
export function drillRoute({ rehearsals, refusals }: Door, bodies: ByteBudget): Route {
  return {
    door: '/v1/drill',
    methods: ['POST', 'DELETE'],
    sendError,
    async handle({ request, response, client, query }) {
      if (client.policy) {
        refusals.add('policy', { client: client.name, door: '/v1/drill' });
        throw new VaultplaneError('bad_token', `the policy ${client.name} of this token allows no drill`);
      }
      refuseUnknown(query, []);
      if (request.method === 'DELETE') {
        if (!rehearsals.end('request')) throw new VaultplaneError('not_found', 'no drill goes on');
        sendJson(response, 200, {});
        return;
      }
      requireJson(request);
      const order = orderOf(await readJson(request, bodies));
      // Whoever hung up while their call was being read gets no drill that nobody would end.
      if (response.destroyed) return;
      const tell = (line: DrillLine) => {
        if (!response.headersSent) {
          const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };
          response.writeHead(200, withRequestId(headers));
        }
        response.write(`${JSON.stringify(line)}\n`);
        if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      };
      const end = rehearsals.begin(order, {
        progress: (progress) => tell({ progress }),
        ended: (report) => {
          tell({ report });
          response.end();
        },
      });
      response.once('close', () => end('caller gone'));
    },
  };
}

function orderOf(body: unknown): RehearsalOrder {
  const { outage, for_s: seconds, strict = false } = membersOf(body, ['outage', 'for_s', 'strict']);
  if (typeof outage !== 'string' || typeof seconds !== 'number' || typeof strict !== 'boolean') {
    throw new VaultplaneError('bad_request', 'the body must have the form {"outage":"aws-outage","for_s":600}');
  }
  return { outage: outage as RehearsalOrder['outage'], seconds, strict };
}
