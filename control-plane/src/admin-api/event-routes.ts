import type { ServerResponse } from 'node:http';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { FastifyInstance } from 'fastify';
import type { FleetFeed } from './fleet-feed.ts';
import { KongError } from './kong-error.ts';
import { resource } from './resources.ts';

/** A comment goes out this often, so that whatever stands between knows that the stream lives. */
const COMMENT_EVERY_MS = 15_000;
/** A stream ends after this, and its reader comes again: by then its token may have been revoked. */
export const LONGEST_STREAM_MS = 10 * 60_000;
/** A reader that takes nothing is let go when so many bytes wait for it; it comes again, and is told everything. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;
const MOST_STREAMS = 200;

/** /clustering/events: what happens in the fleet, as server-sent events (fleet-feed.ts). */
export function eventRoutes(app: FastifyInstance, feed: FleetFeed, clock: Clock): void {
  const streams = new Set<() => void>();
  // A stop waits for answers to end, and these end only when they are told to.
  app.addHook('preClose', async () => {
    for (const end of [...streams]) end();
  });

  resource(app, '/clustering/events', {
    GET: async (request, reply) => {
      if (request.method === 'HEAD') return reply.type('text/event-stream').send();
      if (streams.size >= MOST_STREAMS)
        throw new KongError(503, { message: 'Too many streams' }, { 'retry-after': '5' });
      reply.hijack();
      const response = reply.raw;
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      await stream(response, feed, clock, streams);
    },
  });
}

async function stream(
  response: ServerResponse,
  feed: FleetFeed,
  clock: Clock,
  streams: Set<() => void>,
): Promise<void> {
  let unlisten = () => {};
  let cancelComment = () => {};
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    streams.delete(end);
    cancelComment();
    cancelEnd();
    unlisten();
    response.end();
  };
  const cancelEnd = clock.after(LONGEST_STREAM_MS, end);
  const write = (text: string) => {
    if (ended) return;
    response.write(text);
    if (response.writableLength > MOST_WAITING_BYTES) {
      end();
      response.destroy();
    }
  };
  const commentLater = () => {
    cancelComment = clock.after(COMMENT_EVERY_MS, () => {
      write(':\n\n');
      if (!ended) commentLater();
    });
  };
  streams.add(end);
  response.on('close', end);
  response.on('error', end);
  commentLater();
  unlisten = await feed.listen(({ event, data }) => write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
  // It may have ended while the first look was taken.
  if (ended) unlisten();
}
